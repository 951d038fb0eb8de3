// Command netrpc is Go's own net/rpc and net/rpc/jsonrpc, as a server and as a client, for the interop
// tests.
//
//	netrpc serve gob|http|jsonrpc             prints the address, serves until its input ends
//	netrpc call gob|http|jsonrpc ADDRESS CASE exits with 0 when the case holds
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
)

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		serve(os.Args[2])
	case len(os.Args) == 5 && os.Args[1] == "call":
		if err := call(os.Args[2], os.Args[3], os.Args[4]); err != nil {
			log.Fatalf("%s: %v", os.Args[4], err)
		}
	default:
		log.Fatal("usage: netrpc serve FLAVOUR | netrpc call FLAVOUR ADDRESS CASE")
	}
}

func serve(flavour string) {
	server := rpc.NewServer()
	if err := server.RegisterName("world", new(World)); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	switch flavour {
	case "gob":
		go server.Accept(listener)
	case "http":
		mux := http.NewServeMux()
		mux.Handle(rpc.DefaultRPCPath, server)
		go http.Serve(listener, mux)
	case "jsonrpc":
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go server.ServeCodec(jsonrpc.NewServerCodec(conn))
			}
		}()
	default:
		log.Fatalf("no flavour %q", flavour)
	}
	io.Copy(io.Discard, os.Stdin)
}

func dial(flavour, address string) (*rpc.Client, error) {
	switch flavour {
	case "gob":
		return rpc.Dial("tcp", address)
	case "http":
		return rpc.DialHTTP("tcp", address)
	case "jsonrpc":
		return jsonrpc.Dial("tcp", address)
	}
	return nil, fmt.Errorf("no flavour %q", flavour)
}
