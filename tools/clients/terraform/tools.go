//go:build tools

// Package tools pins Terraform, one of the clients that `make test` runs against the lab as they are.
package tools

import _ "github.com/hashicorp/terraform"
