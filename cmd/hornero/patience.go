package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
)

// readingPatience bounds a request of commands that change nothing in the cloud: within 20 s they say that the API is
// down, also where a first request was answered.
const readingPatience = 12 * time.Second

// persistent are the commands that go on asking an API that is down: stopped halfway, they would have to be run again.
var persistent = map[string]bool{
	"up":      true,
	"scale":   true,
	"roll":    true,
	"replace": true,
	"heal":    true,
	"destroy": true,
	"recover": true,

	// of hornero lock
	"break": true,

	// of hornero images
	"bake":   true,
	"prune":  true,
	"accept": true,
	"sign":   true,

	// of hornero reserved-ip
	"create":  true,
	"release": true,
}

// retriesOf says how often a command's requests are made, and tells on standard error what they wait for.
func retriesOf(cmd *cobra.Command) do.Retries {
	progress := cmd.ErrOrStderr()

	retries := do.DefaultRetries
	retries.Tell = func(line string) { fmt.Fprintln(progress, line) }

	if !persistent[cmd.Name()] {
		retries.Patience = readingPatience
	}

	return retries
}

// explainDown adds to an error of an API that is down what works without it.
func explainDown(err error) error {
	// Refused by ourselves, whatever else was in the way.
	if !do.IsDown(err) || errors.Is(err, fleet.ErrUnsafe) {
		return err
	}

	return fmt.Errorf("%w\n"+
		"The API is down or wants no more requests; the stack serves on without it. What is made already stays: run "+
		"the same command again when the API answers (https://status.digitalocean.com). Until then `hornero status`, "+
		"`exec`, `ssh`, `logs`, `events` and the roles' commands reach the nodes where they were seen last", err)
}
