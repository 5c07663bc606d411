// Command program is a Go program with a module in it, for the test of the bill of materials.
package main

import (
	"fmt"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

func main() { fmt.Println(cyclonedx.BOMFormat) }
