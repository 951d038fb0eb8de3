package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

type Pair struct{ A, B int64 }
type Product struct{ C int64 }

type Everything struct {
	Yes   bool    `msgpack:"yes" json:"yes"`
	Small int8    `msgpack:"small" json:"small"`
	Least int64   `msgpack:"least" json:"least"`
	Most  uint64  `msgpack:"most" json:"most"`
	Half  float64 `msgpack:"half" json:"half"`
	Text  string  `msgpack:"text" json:"text"`
	Bytes []byte  `msgpack:"bytes" json:"bytes"`
	List  []int32 `msgpack:"list" json:"list"`
	Maybe *string `msgpack:"maybe" json:"maybe"`
}

type About struct {
	Protocol    string  `msgpack:"protocol" json:"protocol"`
	Trace       string  `msgpack:"trace" json:"trace"`
	RemainingMs *uint64 `msgpack:"remaining_ms" json:"remaining_ms"`
}

type Millis struct {
	Millis uint64 `msgpack:"millis" json:"millis"`
}
type Value struct {
	Value uint64 `msgpack:"value" json:"value"`
}
type Text struct {
	Text string `msgpack:"text" json:"text"`
}
type Nothing struct{}

var notes []string

// answer runs a method. As in go-rpc the text of what it returns is all that a caller could learn.
func (c codec) answer(header *Header, body []byte) (interface{}, error) {
	var err error
	switch header.ServiceName + "." + header.MethodName {
	case "Arith.Mul":
		var args Pair
		err = c.unmarshal(body, &args)
		return Product{args.A * args.B}, err
	case "Arith.Div":
		var args Pair
		if err = c.unmarshal(body, &args); err == nil && args.B == 0 {
			err = fmt.Errorf("divide by zero")
		}
		if err != nil {
			return nil, err
		}
		return Product{args.A / args.B}, nil
	case "Arith.Same":
		var args Everything
		err = c.unmarshal(body, &args)
		return args, err
	case "Arith.About":
		trace, _ := header.MetaData["trace"].(string)
		return About{"gorpc", trace, nil}, nil
	case "Arith.Wait":
		var args Millis
		err = c.unmarshal(body, &args)
		time.Sleep(time.Duration(args.Millis) * time.Millisecond)
		return Value{args.Millis}, err
	case "Arith.Note":
		var args Text
		err = c.unmarshal(body, &args)
		notes = append(notes, args.Text)
		return Nothing{}, err
	case "Arith.Notes":
		return Text{strings.Join(notes, " ")}, nil
	case "Arith.Nothing":
		return Nothing{}, nil
	}
	if header.ServiceName == "Arith" {
		return nil, fmt.Errorf("can not find method")
	}
	return nil, fmt.Errorf("can not find service")
}

// serveConn answers one call after the other, inside the read loop, as go-rpc does.
func (c codec) serveConn(conn net.Conn) {
	defer conn.Close()
	for {
		header, body, err := c.read(conn)
		if err != nil {
			return
		}
		if header.MessageType == heartbeat {
			c.write(conn, header, body)
			continue
		}
		header.MessageType = response
		token, _ := header.MetaData["rpc_auth"].(string)
		var reply interface{}
		if token == "wrong" {
			err = fmt.Errorf("auth failed")
		} else {
			reply, err = c.answer(header, body)
		}
		var bytes []byte
		if err != nil {
			header.StatusCode, header.Error = 1, err.Error()
		} else if bytes, err = c.marshal(reply); err != nil {
			return
		}
		if c.write(conn, header, bytes) != nil {
			return
		}
	}
}

func (c codec) serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("listening", listener.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go c.serveConn(conn)
	}
}
