//go:build tools

// Package tools pins Packer, which `make` builds from its module where the machine has none that is recent enough.
package tools

import _ "github.com/hashicorp/packer"
