package main

import (
	"fmt"
	"net"
	"time"

	"github.com/lesismal/arpc"
	"github.com/lesismal/arpc/log"
	"google.golang.org/protobuf/proto"

	"motet.test/bench/pb"
)

// arpc with protobuf and its defaults: reads and writes are batched, and a handler runs on the goroutine
// that reads.

// protobuf is the codec that arpc is given.
type protobuf struct{}

func (protobuf) Marshal(value any) ([]byte, error) {
	message, is := value.(proto.Message)
	if !is {
		return nil, fmt.Errorf("%T is no message", value)
	}
	return proto.Marshal(message)
}

func (protobuf) Unmarshal(data []byte, value any) error {
	message, is := value.(proto.Message)
	if !is {
		return fmt.Errorf("%T is no message", value)
	}
	return proto.Unmarshal(data, message)
}

func serveARPC(listener net.Listener) error {
	log.SetLevel(log.LevelNone)
	serving := arpc.NewServer()
	serving.Codec = protobuf{}
	serving.Handler.Handle("/bench/big", func(call *arpc.Context) {
		message := new(pb.BenchmarkMessage)
		if err := call.Bind(message); err != nil {
			call.Error(err)
			return
		}
		message.Field1, message.Field2 = "OK", 100
		call.Write(message)
	})
	serving.Handler.Handle("/bench/small", func(call *arpc.Context) {
		message := new(pb.Pair)
		if err := call.Bind(message); err != nil {
			call.Error(err)
			return
		}
		message.Second++
		call.Write(message)
	})
	return serving.Serve(listener)
}

func dialARPC(address string) (client, error) {
	log.SetLevel(log.LevelNone)
	connection, err := arpc.NewClient(func() (net.Conn, error) { return net.Dial("tcp", address) })
	if err != nil {
		return nil, err
	}
	connection.Codec = protobuf{}
	return arpcClient{connection}, nil
}

type arpcClient struct{ *arpc.Client }

const arpcTimeout = 10 * time.Second

func (c arpcClient) big() error {
	reply := new(pb.BenchmarkMessage)
	return checkBig(reply, c.Call("/bench/big", bigRequest, reply, arpcTimeout))
}

func (c arpcClient) small() error {
	reply := new(pb.Pair)
	return checkSmall(reply, c.Call("/bench/small", smallRequest, reply, arpcTimeout))
}
