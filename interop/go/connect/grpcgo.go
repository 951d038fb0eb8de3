package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

// What grpc-go's own programs have no case for.
func grpcTests(address string) (map[string]test, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	client := pb.NewTestServiceClient(connection)
	large := func(ctx context.Context, request int, reply int32) error {
		answer, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: reply, Payload: block(request)})
		if err != nil {
			return err
		}
		return expect(len(answer.Payload.Body) == int(reply), "%d bytes came", len(answer.Payload.Body))
	}
	return map[string]test{
		"error_details": func(ctx context.Context, _ int) error {
			for _, message := range []string{withReason, withViolations} {
				wish := &pb.EchoStatus{Code: 3, Message: message}
				_, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseStatus: wish})
				found := status.Convert(err)
				if found.Code() != codes.InvalidArgument {
					return err
				}
				if err := areThere(message, found.Details()); err != nil {
					return err
				}
			}
			return nil
		},
		"largest_message": func(ctx context.Context, _ int) error { return large(ctx, limit-1024, 10*largeGet) },
		"message_over_the_limit": func(ctx context.Context, _ int) error {
			for _, sizes := range [][2]int{{limit + 1, 1}, {1, limit + 1}} {
				if err := large(ctx, sizes[0], int32(sizes[1])); status.Code(err) != codes.ResourceExhausted {
					return fmt.Errorf("%v bytes: %v", sizes, err)
				}
			}
			return large(ctx, 1, 1)
		},
		"thousand_calls": func(ctx context.Context, _ int) error {
			return atOnce(1000, func() error { return large(ctx, 1000, 1000) })
		},
		"peer_killed": func(ctx context.Context, pid int) error {
			stream, err := client.FullDuplexCall(ctx)
			if err != nil {
				return err
			}
			if err := stream.Send(ask(8, 9)); err != nil {
				return err
			}
			if _, err := stream.Recv(); err != nil {
				return err
			}
			if err := kill(pid); err != nil {
				return err
			}
			_, err = stream.Recv()
			return expect(status.Code(err) == codes.Unavailable, "%v", err)
		},
	}, nil
}

func serveGRPC() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	pb.RegisterTestServiceServer(server, &served{})
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return server.Serve(listener)
}

type served struct {
	pb.UnimplementedTestServiceServer
}

func wishedOf(wish *pb.EchoStatus) error {
	if wish.GetCode() == 0 {
		return nil
	}
	found := status.New(codes.Code(wish.Code), wish.Message)
	var all []protoadapt.MessageV1
	for _, message := range details(wish.Message) {
		all = append(all, protoadapt.MessageV1Of(message))
	}
	if len(all) > 0 {
		with, err := found.WithDetails(all...)
		if err != nil {
			return err
		}
		found = with
	}
	return found.Err()
}

func echoOf(ctx context.Context) {
	sent, _ := metadata.FromIncomingContext(ctx)
	for _, value := range sent.Get(echoHead) {
		grpc.SetHeader(ctx, metadata.Pairs(echoHead, value))
	}
	for _, value := range sent.Get(echoTail) {
		grpc.SetTrailer(ctx, metadata.Pairs(echoTail, value))
	}
}

func (*served) EmptyCall(context.Context, *pb.Empty) (*pb.Empty, error) { return &pb.Empty{}, nil }

func (*served) UnaryCall(ctx context.Context, request *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	echoOf(ctx)
	if err := wishedOf(request.ResponseStatus); err != nil {
		return nil, err
	}
	return &pb.SimpleResponse{Payload: block(int(request.ResponseSize))}, nil
}

func (*served) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, wish := range request.ResponseParameters {
			time.Sleep(time.Duration(wish.IntervalUs) * time.Microsecond)
			if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: block(int(wish.Size))}); err != nil {
				return err
			}
		}
		if err := wishedOf(request.ResponseStatus); err != nil {
			return err
		}
	}
}
