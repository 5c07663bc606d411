package machine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/hornero/hornero/lab/machine"
)

// TestMain lets the test's own binary be the launcher of Droplets, and a lab that starts one and is killed.
func TestMain(m *testing.M) {
	if len(os.Args) < 3 {
		os.Exit(m.Run())
	}

	switch os.Args[1] {
	case "launch-droplet":
		fmt.Fprintln(os.Stderr, machine.Launch(os.Args[2]))
		os.Exit(1)

	case "start-droplet":
		if err := startDroplet(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}

		fmt.Println("started")

		select {} // until killed
	}

	os.Exit(m.Run())
}

func startDroplet(configText, dropletText string) error {
	var config machine.Config
	var droplet machine.Droplet

	if err := json.Unmarshal([]byte(configText), &config); err != nil {
		return err
	}

	if err := json.Unmarshal([]byte(dropletText), &droplet); err != nil {
		return err
	}

	host, err := machine.New(config)
	if err != nil {
		return err
	}

	ctx := context.Background()

	if err := host.Create(ctx, droplet); err != nil {
		return err
	}

	return host.Start(ctx, droplet.ID)
}
