package main

import (
	"net"
	"net/rpc"
	"net/rpc/jsonrpc"
)

// Go's own net/rpc, in gob and in JSON, with the structs that its users write. A call has a goroutine on
// the server, and every reply and request is written by itself.

// Bench is registered by that name.
type Bench struct{}

func (Bench) Big(request *Plain, reply *Plain) error {
	*reply = *request
	reply.Field1, reply.Field2 = "OK", 100
	return nil
}

func (Bench) Small(request *PlainPair, reply *PlainPair) error {
	*reply = PlainPair{request.First, request.Second + 1}
	return nil
}

func netRPCServer() (*rpc.Server, error) {
	server := rpc.NewServer()
	return server, server.Register(Bench{})
}

func serveNetRPC(listener net.Listener) error {
	server, err := netRPCServer()
	if err != nil {
		return err
	}
	server.Accept(listener)
	return nil
}

func serveJSONRPC(listener net.Listener) error {
	server, err := netRPCServer()
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go server.ServeCodec(jsonrpc.NewServerCodec(connection))
	}
}

func dialNetRPC(address string) (client, error) {
	connection, err := rpc.Dial("tcp", address)
	return netRPCClient{connection}, err
}

func dialJSONRPC(address string) (client, error) {
	connection, err := jsonrpc.Dial("tcp", address)
	return netRPCClient{connection}, err
}

type netRPCClient struct{ *rpc.Client }

func (c netRPCClient) big() error {
	var reply Plain
	err := c.Call("Bench.Big", plainBigRequest, &reply)
	if err == nil && (reply.Field1 != "OK" || reply.Field2 != 100) {
		return errReply
	}
	return err
}

func (c netRPCClient) small() error {
	var reply PlainPair
	err := c.Call("Bench.Small", plainSmallRequest, &reply)
	if err == nil && reply.Second != 2 {
		return errReply
	}
	return err
}
