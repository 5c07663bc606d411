package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/stack"
)

var errNoToken = errors.New("cloud digitalocean needs a token; set DIGITALOCEAN_ACCESS_TOKEN, or use CLOUD=lab")

// connect makes a client for a cloud; for the lab of the stack's file, which it starts where it must, it returns where
// that answers, too.
func connect(
	ctx context.Context,
	cloud string,
	file string,
	retries do.Retries,
	progress io.Writer,
) (*godo.Client, lab.Endpoint, error) {
	// A token of DigitalOcean in the environment is never used for a lab, nor a lab's for DigitalOcean.
	found, token := lab.Endpoint{}, os.Getenv(tokenVariable)
	if cloud == stack.CloudLab {
		var err error
		if found, err = ensureLab(ctx, file, progress); err != nil {
			return nil, found, err
		}

		token = found.Token
	} else if token == "" {
		return nil, found, errNoToken
	}

	client, err := retries.NewClient(found.URL, token, "hornero/"+version)

	return client, found, err
}

// cloudOf names the cloud to ask where a stack is of no matter: the environment's, the stack file's, or the lab.
func cloudOf(file string) (string, error) {
	cloud := os.Getenv("CLOUD")
	if cloud == "" {
		// Images can be listed without any stack.
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return stack.CloudLab, nil
		}

		s, _, err := loadStack(file)
		if err != nil {
			return "", err
		}

		return cmp.Or(s.Cloud, stack.CloudLab), nil
	}

	return cloud, checkCloud(cloud)
}

func checkCloud(cloud string) error {
	if cloud != stack.CloudLab && cloud != stack.CloudDigitalOcean {
		return fmt.Errorf("the environment's CLOUD is %q; set it to lab or digitalocean", cloud)
	}

	return nil
}
