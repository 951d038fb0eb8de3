// A peer of go-rpc for Motet's interoperability tests. go-rpc itself has no module; this is what it
// does on the wire: frames, both serializers, one call after the other on a server's connection, a
// client that looks at no error.
//
//	gorpc CODEC server           serves Arith, says "listening ADDRESS", ends with its input
//	gorpc CODEC client ADDRESS   calls Arith there; a line for each case: "ok CASE" or "FAILED CASE: why"
//	gorpc CODEC token ADDRESS    the same for a server that asks for the token hello01
//	gorpc CODEC tags ADDRESS     the same for a server with the tag idc=lf
//	gorpc CODEC lost ADDRESS     makes a call that its server does not live to answer
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"
)

var errTimeout = errors.New("client request time out")

// client is go-rpc's: it multiplexes by number and reads neither status nor error, so that a call
// whose answer has no body is dropped and times out.
type client struct {
	codec
	conn    net.Conn
	mutex   sync.Mutex
	seq     uint64
	pending map[uint64]*call
	beats   int
	timeout time.Duration
	meta    map[string]interface{}
}

type call struct {
	reply  interface{}
	header *Header
	done   chan error
}

func (c codec) dial(address string) *client {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	made := &client{codec: c, conn: conn, pending: map[uint64]*call{}, timeout: time.Minute}
	go made.listen()
	return made
}

func (c *client) listen() {
	for {
		header, body, err := c.read(c.conn)
		c.mutex.Lock()
		if err != nil {
			for _, one := range c.pending {
				one.done <- err
			}
			c.pending = nil
			c.mutex.Unlock()
			return
		}
		one := c.pending[header.Seq]
		delete(c.pending, header.Seq)
		if header.MessageType == heartbeat {
			c.beats++
		}
		c.mutex.Unlock()
		if one != nil {
			one.header = header
			if len(body) == 0 {
				continue
			}
			one.done <- c.unmarshal(body, one.reply)
		}
	}
}

func (c *client) start(kind byte, method string, args, reply interface{}) (*call, error) {
	body, err := c.marshal(args)
	if err != nil {
		return nil, err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.pending == nil {
		return nil, io.ErrClosedPipe
	}
	c.seq++
	header := &Header{Seq: c.seq, MessageType: kind, MetaData: c.meta}
	if kind == request {
		header.SerializeType = c.number
		header.ServiceName, header.MethodName, _ = strings.Cut(method, ".")
	} else {
		header.MetaData = nil
	}
	one := &call{reply: reply, done: make(chan error, 1)}
	c.pending[c.seq] = one
	return one, c.write(c.conn, header, body)
}

func (c *client) call(method string, args, reply interface{}) error {
	_, err := c.seen(method, args, reply)
	return err
}

// seen calls, and gives what the answer's header said beside what go-rpc's client makes of it.
func (c *client) seen(method string, args, reply interface{}) (*Header, error) {
	one, err := c.start(request, method, args, reply)
	if err != nil {
		return nil, err
	}
	select {
	case err := <-one.done:
		return one.header, err
	case <-time.After(c.timeout):
		return one.header, errTimeout
	}
}

func (c *client) mul(a, b int64) error {
	var reply Product
	if err := c.call("Arith.Mul", Pair{a, b}, &reply); err != nil {
		return err
	}
	if reply.C != a*b {
		return fmt.Errorf("%d times %d is %d", a, b, reply.C)
	}
	return nil
}

func (c *client) same(value Everything) error {
	var reply Everything
	if err := c.call("Arith.Same", value, &reply); err != nil {
		return err
	}
	if !reflect.DeepEqual(value, reply) {
		return errors.New("another value came back")
	}
	return nil
}

// refused expects an error, which for this client is silence; the header says what it was.
func (c *client) refused(method string, text string) error {
	c.timeout = 500 * time.Millisecond
	defer func() { c.timeout = time.Minute }()
	header, err := c.seen(method, Pair{1, 0}, new(Product))
	if err != errTimeout || header == nil || header.StatusCode != 1 || !strings.Contains(header.Error, text) {
		return fmt.Errorf("%v with %+v is not %s", err, header, text)
	}
	return nil
}

type kase struct {
	name string
	run  func(codec, string) error
}

func everything() Everything {
	maybe := ""
	return Everything{true, -1, -1 << 63, 1<<64 - 1, 0.5, "李白 你好", []byte{0, 255}, []int32{1, -2, 3}, &maybe}
}

var cases = []kase{
	{"unary", func(c codec, address string) error { return c.dial(address).mul(10, 20) }},
	{"errors", func(c codec, address string) error {
		client := c.dial(address)
		for method, text := range map[string]string{
			"Arith.Div": "divide by zero", "Arith.Mod": "can not find method", "Nobody.Mul": "can not find service",
		} {
			if err := client.refused(method, text); err != nil {
				return err
			}
		}
		return client.mul(2, 3)
	}},
	{"metadata", func(c codec, address string) error {
		client, about := c.dial(address), About{}
		client.meta = map[string]interface{}{"trace": "t1", "number": 1, "nested": map[string]interface{}{"a": []int{1}}}
		if err := client.call("Arith.About", Nothing{}, &about); err != nil || about.Trace != "t1" {
			return fmt.Errorf("%v, %q came", err, about.Trace)
		}
		return nil
	}},
	{"nil and zero values", func(c codec, address string) error {
		client := c.dial(address)
		if c.number == 1 {
			if err := client.same(everything()); err != nil {
				return err
			}
			if err := client.same(Everything{Bytes: []byte{}, List: []int32{}}); err != nil {
				return err
			}
		}
		if err := client.call("Arith.Nothing", nil, new(Nothing)); err != nil {
			return err
		}
		return client.call("Arith.Nothing", Nothing{}, new(Nothing))
	}},
	{"4 MiB − 1 KiB, and over the limit", func(c codec, address string) error {
		client, text := c.dial(address), Text{strings.Repeat("x", 4<<20-2048)}
		if err := client.call("Arith.Note", text, new(Nothing)); err != nil {
			return err
		}
		if c.number == 1 {
			if err := client.same(Everything{Text: text.Text, Bytes: []byte{}, List: []int32{}}); err != nil {
				return err
			}
		}
		client.timeout = time.Second
		text.Text = strings.Repeat("x", 4<<20+1)
		header, err := client.seen("Arith.Note", text, new(Nothing))
		if err != errTimeout || header == nil || !strings.Contains(header.Error, "longer than the limit") {
			return fmt.Errorf("%v with %+v", err, header)
		}
		client.timeout = time.Minute
		return client.mul(2, 3)
	}},
	{"1,000 concurrent calls", func(c codec, address string) error {
		client, done := c.dial(address), make(chan error, 1000)
		for number := int64(0); number < 1000; number++ {
			go func() { done <- client.mul(number, 3) }()
		}
		for range 1000 {
			if err := <-done; err != nil {
				return err
			}
		}
		return nil
	}},
	{"heartbeats", func(c codec, address string) error {
		client := c.dial(address)
		slow, err := client.start(request, "Arith.Wait", Millis{500}, new(Value))
		if err != nil {
			return err
		}
		for range 5 {
			var echo string
			one, err := client.start(heartbeat, "", "", &echo)
			if err != nil {
				return err
			}
			if err := <-one.done; err != nil || echo != "" || one.header.MessageType != heartbeat {
				return fmt.Errorf("%v, %+v", err, one.header)
			}
		}
		return <-slow.done
	}},
	{"a silent connection that calls late", func(c codec, address string) error {
		client, silence := c.dial(address), time.Second
		if given, err := time.ParseDuration(os.Getenv("MOTET_SILENCE")); err == nil {
			silence = given
		}
		time.Sleep(silence)
		return client.mul(2, 3)
	}},
	{"half close", func(c codec, address string) error {
		client := c.dial(address)
		slow, err := client.start(request, "Arith.Wait", Millis{300}, new(Value))
		if err != nil {
			return err
		}
		client.conn.(*net.TCPConn).CloseWrite()
		return <-slow.done
	}},
}

var more = map[string]kase{
	"token": {"a token, and a wrong one", func(c codec, address string) error {
		client := c.dial(address)
		client.meta = map[string]interface{}{"rpc_auth": "hello01"}
		if err := client.mul(1, 2); err != nil {
			return err
		}
		client.meta = map[string]interface{}{"rpc_auth": "hello02"}
		return client.refused("Arith.Mul", "auth failed")
	}},
	"tags": {"a tag, and another one", func(c codec, address string) error {
		client := c.dial(address)
		client.meta = map[string]interface{}{"tags": map[string]string{"idc": "lf"}}
		if err := client.mul(1, 2); err != nil {
			return err
		}
		client.meta = map[string]interface{}{"tags": map[string]string{"idc": "bj"}}
		return client.refused("Arith.Mul", "the tag idc is not as asked for")
	}},
	"lost": {"peer killed in mid-call", func(c codec, address string) error {
		begun := time.Now()
		err := c.dial(address).call("Arith.Wait", Millis{50_000}, new(Value))
		if err == nil || time.Since(begun) > 30*time.Second {
			return fmt.Errorf("%v after %v", err, time.Since(begun))
		}
		return nil
	}},
}

func main() {
	codec, command := codecs[os.Args[1]], os.Args[2]
	all := cases
	switch command {
	case "server":
		if err := codec.serve(); err != nil {
			panic(err)
		}
		return
	case "client":
	default:
		all = []kase{more[command]}
	}
	good := true
	for _, c := range all {
		if err := c.run(codec, os.Args[3]); err != nil {
			good = false
			fmt.Printf("FAILED %s: %v\n", c.name, err)
		} else {
			fmt.Printf("ok %s\n", c.name)
		}
	}
	if !good {
		os.Exit(1)
	}
}
