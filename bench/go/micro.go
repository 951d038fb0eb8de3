package main

import (
	"context"
	"net"
	"os"

	"go-micro.dev/v4/broker"
	micro "go-micro.dev/v4/client"
	"go-micro.dev/v4/logger"
	"go-micro.dev/v4/registry"
	"go-micro.dev/v4/server"
	"go-micro.dev/v4/transport"

	"motet.test/bench/pb"
)

// go-micro's own protocol, mucp, with protobuf and its defaults, called by address. It has a connection
// for each call in flight, of a pool of 100.

// MicroBench is registered by that name.
type MicroBench struct{}

func (*MicroBench) Big(_ context.Context, request, reply *pb.BenchmarkMessage) error {
	answerBig(request, reply)
	return nil
}

func (*MicroBench) Small(_ context.Context, request, reply *pb.Pair) error {
	answerSmall(request, reply)
	return nil
}

// quiet logs nothing: the output is the benchmark's.
func quiet() logger.Logger {
	return logger.NewLogger(logger.WithLevel(logger.FatalLevel), logger.WithOutput(os.Stderr))
}

func serveMicro(listener net.Listener) error {
	logger.DefaultLogger = quiet()
	serving := server.NewServer(
		server.Name("bench"),
		server.Address(listener.Addr().String()),
		server.ListenOption(transport.NetListener(listener)),
		server.Registry(registry.NewMemoryRegistry()),
		server.Broker(broker.NewMemoryBroker()),
		server.WithLogger(quiet()),
	)
	if err := serving.Handle(serving.NewHandler(new(MicroBench), server.InternalHandler(true))); err != nil {
		return err
	}
	if err := serving.Start(); err != nil {
		return err
	}
	select {}
}

func dialMicro(address string) (client, error) {
	logger.DefaultLogger = quiet()
	calling := micro.NewClient(
		micro.Registry(registry.NewMemoryRegistry()),
		micro.Broker(broker.NewMemoryBroker()),
		micro.ContentType("application/protobuf"),
		micro.WithLogger(quiet()),
	)
	return microClient{calling, micro.WithAddress(address)}, nil
}

type microClient struct {
	calling micro.Client
	address micro.CallOption
}

func (c microClient) big() error {
	reply := new(pb.BenchmarkMessage)
	request := c.calling.NewRequest("bench", "MicroBench.Big", bigRequest)
	return checkBig(reply, c.calling.Call(context.Background(), request, reply, c.address))
}

func (c microClient) small() error {
	reply := new(pb.Pair)
	request := c.calling.NewRequest("bench", "MicroBench.Small", smallRequest)
	return checkSmall(reply, c.calling.Call(context.Background(), request, reply, c.address))
}
