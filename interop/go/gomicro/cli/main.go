// go-micro's command-line tool 1.1.4: its own commands, without its Kubernetes plugin, which no proxy serves any more.
package main

import (
	"github.com/go-micro/cli/cmd"
	_ "github.com/go-micro/cli/cmd/call"
	_ "github.com/go-micro/cli/cmd/stream"
)

func main() { cmd.Run() }
