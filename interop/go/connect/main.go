// connect is grpc.testing.TestService by connect-go, and the cases with connect-go or grpc-go as the client.
//
//	connect serve [-cert FILE -key FILE]
//	connect serve-grpc
//	connect rows ADDRESS ROWS.BINPB ROWS.JSON
//	connect serve-rows ROWS.BINPB ROWS.JSON
//	connect call -by connect|grpc|grpcweb|grpc-go [-json] [-ca FILE] [-pid PROCESS] ADDRESS CASE...
//
// serve prints its port and answers Connect, gRPC and gRPC-Web; serve-grpc is the same service by grpc-go. call
// prints a line for each case. rows calls the service that is a trait in Rust, serve-rows serves it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	limit    = 4 << 20
	largeAsk = 271828
	largeGet = 314159
	special  = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
	// What asks for an error with ErrorInfo or BadRequest, and what they say.
	withReason     = "with a reason"
	withViolations = "with violations"
	reason         = "Interop.Detailed"
	field          = "payload"
	echoHead       = "x-grpc-test-echo-initial"
	echoTail       = "x-grpc-test-echo-trailing-bin"
)

var (
	asks = []int{27182, 8, 1828, 45904}
	gets = []int32{31415, 9, 2653, 58979}
)

// A test is a case, the peer's process being for those who end it.
type test func(ctx context.Context, pid int) error

func main() {
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == "serve":
		err = serve(os.Args[2:])
	case len(os.Args) > 1 && os.Args[1] == "serve-grpc":
		err = serveGRPC()
	case len(os.Args) > 1 && os.Args[1] == "call":
		err = call(os.Args[2:])
	case len(os.Args) == 5 && os.Args[1] == "rows":
		err = callRows(os.Args[2], os.Args[3], os.Args[4])
	case len(os.Args) == 4 && os.Args[1] == "serve-rows":
		err = serveRows(os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("usage: connect serve|serve-grpc|call|rows|serve-rows …")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func call(arguments []string) error {
	flags := flag.NewFlagSet("call", flag.ExitOnError)
	by := flags.String("by", "connect", "connect, grpc, grpcweb or grpc-go")
	json := flags.Bool("json", false, "bodies in JSON")
	ca := flags.String("ca", "", "the authority that is trusted: TLS")
	pid := flags.Int("pid", 0, "the server's process, for peer_killed")
	flags.Parse(arguments)
	address, cases := flags.Arg(0), flags.Args()[1:]
	var all map[string]test
	var err error
	if *by == "grpc-go" {
		all, err = grpcTests(address)
	} else {
		all, err = connectTests(address, *by, *json, *ca)
	}
	if err != nil {
		return err
	}
	failed := 0
	for _, name := range cases {
		run, known := all[name]
		if !known {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		err := run(ctx, *pid)
		cancel()
		if err == nil {
			fmt.Println(name, "ok")
			continue
		}
		failed++
		fmt.Println(name, "FAILED", strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if failed > 0 {
		return fmt.Errorf("%d cases failed", failed)
	}
	return nil
}

func kill(pid int) error {
	if pid == 0 {
		return fmt.Errorf("-pid says which process")
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

func expect(ok bool, format string, values ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, values...)
}
