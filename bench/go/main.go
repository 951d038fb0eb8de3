// Command motet-bench-go is the systems of Go for motet-bench, which builds and starts it:
//
//	motet-bench-go serve SYSTEM --message big|small [--core N] [--workers N]
//	motet-bench-go load SYSTEM --message M --shape C:N --server ADDRESS --server-pid PID --warm-up S --seconds S …
//
// As with motet-bench itself, a server prints its address and ends with its input, and a load prints
// its row as JSON. To add a system, write NAME.go like its neighbours and add its line to systems.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"time"
)

// system is a framework that serves and calls the benchmark's two methods.
type system struct {
	// serve serves at the listener for ever. The address is printed before.
	serve func(net.Listener) error
	// dial opens one connection.
	dial func(address string) (client, error)
}

// client makes calls over one connection, from any number of goroutines at once: from the request to
// the decoded reply, which it checks.
type client interface {
	big() error
	small() error
}

var systems = map[string]system{
	"go-net-rpc": {serveNetRPC, dialNetRPC},
	"go-jsonrpc": {serveJSONRPC, dialJSONRPC},
	"go-rpcx":    {serveRPCX, dialRPCX},
	"go-arpc":    {serveARPC, dialARPC},
	"go-grpc":    {serveGRPC, dialGRPC},
	"go-micro":   {serveMicro, dialMicro},
}

var errReply = errors.New("a reply is not the handler's")

func main() {
	log.SetFlags(0)
	log.SetPrefix("motet-bench-go: ")
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("usage: motet-bench-go serve|load SYSTEM OPTION…")
	}
	chosen, known := systems[arguments[1]]
	if !known {
		return fmt.Errorf("no system %q", arguments[1])
	}
	load := load{system: arguments[1]}
	flags := flag.NewFlagSet(arguments[0], flag.ContinueOnError)
	flags.StringVar(&load.message, "message", "big", "big or small")
	core := flags.Int("core", -1, "the core to stay on")
	workers := flags.Int("workers", 1, "how many threads run Go code at once")
	flags.StringVar(&load.server, "server", "", "the server's address")
	flags.IntVar(&load.serverPID, "server-pid", 0, "the server's process")
	flags.Func("shape", "connections:calls in flight", load.shape)
	flags.Func("warm-up", "seconds before the window", seconds(&load.warmUp))
	flags.Func("seconds", "length of the window", seconds(&load.window))
	if err := flags.Parse(arguments[2:]); err != nil {
		return err
	}
	if load.message != "big" && load.message != "small" {
		return fmt.Errorf("no message %q", load.message)
	}
	if err := pin(*core); err != nil {
		return err
	}
	runtime.GOMAXPROCS(max(*workers, 1))
	switch arguments[0] {
	case "serve":
		return serve(chosen)
	case "load":
		row, err := load.measure(chosen)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(row)
	}
	return fmt.Errorf("%s is neither serve nor load", arguments[0])
}

func serve(chosen system) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(listener.Addr())
	return chosen.serve(listener)
}

func seconds(to *time.Duration) func(string) error {
	return func(text string) (err error) {
		*to, err = time.ParseDuration(text + "s")
		return err
	}
}
