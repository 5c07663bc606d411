// Command bootstrap stands in for hornero-bootstrap in the builder's tests: it tells a version, and runs until it is ended.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	fmt.Println("hornero-bootstrap of a test")
	if len(os.Args) > 1 && os.Args[1] == "run" {
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		<-ended
	}
}
