//go:build tools

// Package tools pins DigitalOcean's Packer plugin, one of the clients that `make test` runs unchanged against the lab.
package tools

import _ "github.com/digitalocean/packer-plugin-digitalocean"
