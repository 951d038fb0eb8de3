package main

import (
	"context"
	"net"

	rpcx "github.com/smallnest/rpcx/client"
	"github.com/smallnest/rpcx/log"
	"github.com/smallnest/rpcx/protocol"
	"github.com/smallnest/rpcx/server"

	"motet.test/bench/pb"
)

// rpcx with protobuf and its defaults; of its gateways the one that speaks HTTP is off. A call has a
// goroutine on the server.

type rpcxBench struct{}

func (*rpcxBench) Big(_ context.Context, request, reply *pb.BenchmarkMessage) error {
	answerBig(request, reply)
	return nil
}

func (*rpcxBench) Small(_ context.Context, request, reply *pb.Pair) error {
	answerSmall(request, reply)
	return nil
}

func serveRPCX(listener net.Listener) error {
	log.SetDummyLogger()
	serving := server.NewServer()
	serving.DisableHTTPGateway = true
	if err := serving.RegisterName("Bench", new(rpcxBench), ""); err != nil {
		return err
	}
	return serving.ServeListener("tcp", listener)
}

func dialRPCX(address string) (client, error) {
	option := rpcx.DefaultOption
	option.SerializeType = protocol.ProtoBuffer
	connection := rpcx.NewClient(option)
	return rpcxClient{connection}, connection.Connect("tcp", address)
}

type rpcxClient struct{ *rpcx.Client }

func (c rpcxClient) big() error {
	reply := new(pb.BenchmarkMessage)
	return checkBig(reply, c.Call(context.Background(), "Bench", "Big", bigRequest, reply))
}

func (c rpcxClient) small() error {
	reply := new(pb.Pair)
	return checkSmall(reply, c.Call(context.Background(), "Bench", "Small", smallRequest, reply))
}
