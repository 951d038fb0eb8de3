package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
)

func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	cert := flags.String("cert", "", "the certificate: TLS")
	key := flags.String("key", "", "its key")
	flags.Parse(arguments)
	mux := http.NewServeMux()
	options := []connect.HandlerOption{connect.WithReadMaxBytes(limit), connect.WithSendMaxBytes(limit)}
	mux.Handle(service+"EmptyCall", connect.NewUnaryHandler(service+"EmptyCall", empty, options...))
	mux.Handle(service+"UnaryCall", connect.NewUnaryHandler(service+"UnaryCall", unary, options...))
	mux.Handle(service+"StreamingInputCall", connect.NewClientStreamHandler(service+"StreamingInputCall", input, options...))
	mux.Handle(service+"StreamingOutputCall", connect.NewServerStreamHandler(service+"StreamingOutputCall", output, options...))
	mux.Handle(service+"FullDuplexCall", connect.NewBidiStreamHandler(service+"FullDuplexCall", duplex, options...))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: mux, Protocols: protocols}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if *cert != "" {
		return server.ServeTLS(listener, *cert, *key)
	}
	return server.Serve(listener)
}

// echo gives back the metadata that the tests want back.
func echo(sent, head, tail http.Header) {
	if value := sent.Get(echoHead); value != "" {
		head.Set(echoHead, value)
	}
	if value := sent.Get(echoTail); value != "" {
		tail.Set(echoTail, value)
	}
}

// details are what an error of this message carries.
func details(message string) []proto.Message {
	switch message {
	case withReason:
		return []proto.Message{&errdetails.ErrorInfo{Reason: reason, Domain: "motet.test"}}
	case withViolations:
		violation := &errdetails.BadRequest_FieldViolation{Field: field, Description: "it is a test"}
		return []proto.Message{&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{violation}}}
	}
	return nil
}

func wished(status *pb.EchoStatus) error {
	if status.GetCode() == 0 {
		return nil
	}
	wish := connect.NewError(connect.Code(status.Code), errors.New(status.Message))
	for _, message := range details(status.Message) {
		detail, err := connect.NewErrorDetail(message)
		if err != nil {
			return err
		}
		wish.AddDetail(detail)
	}
	return wish
}

func empty(context.Context, *connect.Request[pb.Empty]) (*connect.Response[pb.Empty], error) {
	return connect.NewResponse(&pb.Empty{}), nil
}

func unary(_ context.Context, request *connect.Request[pb.SimpleRequest]) (*connect.Response[pb.SimpleResponse], error) {
	if err := wished(request.Msg.ResponseStatus); err != nil {
		return nil, err
	}
	answer := connect.NewResponse(&pb.SimpleResponse{Payload: block(int(request.Msg.ResponseSize))})
	echo(request.Header(), answer.Header(), answer.Trailer())
	return answer, nil
}

func input(_ context.Context, stream *connect.ClientStream[pb.StreamingInputCallRequest]) (*connect.Response[pb.StreamingInputCallResponse], error) {
	total := 0
	for stream.Receive() {
		total += len(stream.Msg().GetPayload().GetBody())
	}
	if stream.Err() != nil {
		return nil, stream.Err()
	}
	return connect.NewResponse(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(total)}), nil
}

func answers(ctx context.Context, request *pb.StreamingOutputCallRequest, send func(*pb.StreamingOutputCallResponse) error) error {
	for _, wish := range request.ResponseParameters {
		select {
		case <-time.After(time.Duration(wish.IntervalUs) * time.Microsecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := send(&pb.StreamingOutputCallResponse{Payload: block(int(wish.Size))}); err != nil {
			return err
		}
	}
	return wished(request.ResponseStatus)
}

func output(ctx context.Context, request *connect.Request[pb.StreamingOutputCallRequest], stream *connect.ServerStream[pb.StreamingOutputCallResponse]) error {
	echo(request.Header(), stream.ResponseHeader(), stream.ResponseTrailer())
	return answers(ctx, request.Msg, stream.Send)
}

func duplex(ctx context.Context, stream *connect.BidiStream[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	echo(stream.RequestHeader(), stream.ResponseHeader(), stream.ResponseTrailer())
	for {
		request, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := answers(ctx, request, stream.Send); err != nil {
			return err
		}
	}
}
