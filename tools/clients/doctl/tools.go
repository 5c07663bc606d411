//go:build tools

// Package tools pins doctl, one of the clients that `make test` runs against the lab as they are.
package tools

import _ "github.com/digitalocean/doctl/cmd/doctl"
