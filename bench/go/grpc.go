package main

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"motet.test/bench/pb"
)

// grpc-go with its defaults: a goroutine a call on the server, one that writes on each side. The
// description of the service is what protoc-gen-go-grpc makes.

type grpcBench struct{}

func (grpcBench) big(request *pb.BenchmarkMessage) *pb.BenchmarkMessage {
	request.Field1, request.Field2 = "OK", 100
	return request
}

func (grpcBench) small(request *pb.Pair) *pb.Pair {
	request.Second++
	return request
}

// unary is a method of one message type.
func unary[M any](name string, handle func(grpcBench, *M) *M) grpc.MethodDesc {
	handler := func(service any, cx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		request := new(M)
		if err := decode(request); err != nil {
			return nil, err
		}
		return handle(service.(grpcBench), request), nil
	}
	return grpc.MethodDesc{MethodName: name, Handler: handler}
}

var grpcService = grpc.ServiceDesc{
	ServiceName: "bench.Bench",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		unary("Big", grpcBench.big),
		unary("Small", grpcBench.small),
	},
}

func serveGRPC(listener net.Listener) error {
	serving := grpc.NewServer()
	serving.RegisterService(&grpcService, grpcBench{})
	return serving.Serve(listener)
}

func dialGRPC(address string) (client, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return grpcClient{connection}, err
}

type grpcClient struct{ *grpc.ClientConn }

func (c grpcClient) big() error {
	reply := new(pb.BenchmarkMessage)
	return checkBig(reply, c.Invoke(context.Background(), "/bench.Bench/Big", bigRequest, reply))
}

func (c grpcClient) small() error {
	reply := new(pb.Pair)
	return checkSmall(reply, c.Invoke(context.Background(), "/bench.Bench/Small", smallRequest, reply))
}
