package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// rows is the service that is a trait in Rust: its descriptors are what Motet has written, its sample a file.
type rows struct {
	service protoreflect.ServiceDescriptor
	json    []byte
}

func readRows(set, sample string) (*rows, error) {
	data, err := os.ReadFile(set)
	if err != nil {
		return nil, err
	}
	json, err := os.ReadFile(sample)
	if err != nil {
		return nil, err
	}
	var files descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &files); err != nil {
		return nil, err
	}
	registry, err := protodesc.NewFiles(&files)
	if err != nil {
		return nil, err
	}
	found, err := registry.FindDescriptorByName("rows.RowService")
	if err != nil {
		return nil, err
	}
	return &rows{service: found.(protoreflect.ServiceDescriptor), json: json}, nil
}

func (r *rows) method(name string) protoreflect.MethodDescriptor {
	return r.service.Methods().ByName(protoreflect.Name(name))
}

func (r *rows) sample() (*dynamicpb.Message, error) {
	message := dynamicpb.NewMessage(r.method("Sample").Output())
	return message, protojson.Unmarshal(r.json, message)
}

func (r *rows) number(message *dynamicpb.Message, field string) protoreflect.Value {
	return message.Get(message.Descriptor().Fields().ByName(protoreflect.Name(field)))
}

// callRows calls Motet.
func callRows(address, set, sample string) error {
	r, err := readRows(set, sample)
	if err != nil {
		return err
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	invoke := func(name string, request proto.Message) (*dynamicpb.Message, error) {
		reply := dynamicpb.NewMessage(r.method(name).Output())
		return reply, connection.Invoke(ctx, "/rows.RowService/"+name, request, reply)
	}
	own, err := r.sample()
	if err != nil {
		return err
	}
	failed := 0
	tell := func(name string, err error) {
		if err == nil {
			fmt.Println(name, "ok")
			return
		}
		failed++
		fmt.Println(name, "FAILED", err)
	}
	found, err := invoke("Sample", dynamicpb.NewMessage(r.method("Sample").Input()))
	if err == nil {
		err = expect(proto.Equal(found, own), "%v", found)
	}
	tell("rows_sample", err)
	_, err = invoke("Check", own)
	tell("rows_check", err)
	tell("rows_each", func() error {
		stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/rows.RowService/Each")
		if err != nil {
			return err
		}
		for range 2 {
			if err := stream.SendMsg(own); err != nil {
				return err
			}
			found := dynamicpb.NewMessage(r.method("Each").Output())
			if err := stream.RecvMsg(found); err != nil {
				return err
			}
			if !proto.Equal(found, own) {
				return fmt.Errorf("%v", found)
			}
		}
		return stream.CloseSend()
	}())
	request := dynamicpb.NewMessage(r.method("Sum").Input())
	err = protojson.Unmarshal([]byte(`{"numbers": ["1", "2", "3"], "more": "-10"}`), request)
	if err == nil {
		found, err = invoke("Sum", request)
	}
	if err == nil {
		err = expect(r.number(found, "value").Int() == -4, "%v", found)
	}
	tell("rows_sum", err)
	if failed > 0 {
		return fmt.Errorf("%d cases failed", failed)
	}
	return nil
}

// serveRows serves it by grpc-go, for Motet to call.
func serveRows(set, sample string) error {
	r, err := readRows(set, sample)
	if err != nil {
		return err
	}
	own, err := r.sample()
	if err != nil {
		return err
	}
	unary := func(name string, answer func(*dynamicpb.Message) (proto.Message, error)) grpc.MethodDesc {
		method := r.method(name)
		return grpc.MethodDesc{MethodName: name, Handler: func(_ any, _ context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			request := dynamicpb.NewMessage(method.Input())
			if err := read(request); err != nil {
				return nil, err
			}
			return answer(request)
		}}
	}
	each := func(_ any, stream grpc.ServerStream) error {
		for {
			message := dynamicpb.NewMessage(r.method("Each").Input())
			if err := stream.RecvMsg(message); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := stream.SendMsg(message); err != nil {
				return err
			}
		}
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "rows.RowService",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			unary("Sample", func(*dynamicpb.Message) (proto.Message, error) { return own, nil }),
			unary("Check", func(request *dynamicpb.Message) (proto.Message, error) {
				if !proto.Equal(request, own) {
					return nil, status.Errorf(codes.InvalidArgument, "%v", request)
				}
				return dynamicpb.NewMessage(r.method("Check").Output()), nil
			}),
			unary("Sum", func(request *dynamicpb.Message) (proto.Message, error) {
				sum, numbers := r.number(request, "more").Int(), r.number(request, "numbers").List()
				for at := range numbers.Len() {
					sum += int64(numbers.Get(at).Uint())
				}
				reply := dynamicpb.NewMessage(r.method("Sum").Output())
				reply.Set(reply.Descriptor().Fields().ByName("value"), protoreflect.ValueOfInt64(sum))
				return reply, nil
			}),
		},
		Streams: []grpc.StreamDesc{{StreamName: "Each", Handler: each, ServerStreams: true, ClientStreams: true}},
	}, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return server.Serve(listener)
}
