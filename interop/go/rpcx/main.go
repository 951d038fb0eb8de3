// A peer of rpcx's own library for Motet's interoperability tests.
//
//	rpcx server                     serves Arith, says "listening ADDRESS", ends with its input
//	rpcx client ADDRESS [CASE…]     calls Arith there; a line for each case: "ok CASE" or "FAILED CASE: why"
//	rpcx token ADDRESS              the same for a server that asks for the token hello01
//	rpcx lost ADDRESS               makes a call that its server does not live to answer
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/smallnest/rpcx/client"
	"github.com/smallnest/rpcx/protocol"
	"github.com/smallnest/rpcx/server"
	"github.com/smallnest/rpcx/share"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type Pair struct{ A, B int64 }
type Product struct{ C int64 }

type Everything struct {
	Yes   bool    `msgpack:"yes"`
	Small int8    `msgpack:"small"`
	Least int64   `msgpack:"least"`
	Most  uint64  `msgpack:"most"`
	Half  float64 `msgpack:"half"`
	Text  string  `msgpack:"text"`
	Bytes []byte  `msgpack:"bytes"`
	List  []int32 `msgpack:"list"`
	Maybe *string `msgpack:"maybe"`
}

type About struct {
	Protocol    string  `msgpack:"protocol" json:"protocol"`
	Trace       string  `msgpack:"trace" json:"trace"`
	RemainingMs *uint64 `msgpack:"remaining_ms" json:"remaining_ms"`
}

type Nothing struct{}
type Text struct {
	Text string `msgpack:"text" json:"text"`
}

type Arith struct {
	mutex sync.Mutex
	notes []string
}

func (*Arith) Mul(_ context.Context, args *Pair, reply *Product) error {
	reply.C = args.A * args.B
	return nil
}

func (*Arith) Div(_ context.Context, args *Pair, reply *Product) error {
	if args.B == 0 {
		return errors.New("divide by zero")
	}
	reply.C = args.A / args.B
	return nil
}

func (*Arith) Same(_ context.Context, args *Everything, reply *Everything) error {
	*reply = *args
	return nil
}

func (*Arith) About(ctx context.Context, _ *Nothing, reply *About) error {
	reply.Protocol = "rpcx"
	asked, _ := ctx.Value(share.ReqMetaDataKey).(map[string]string)
	reply.Trace = asked["trace"]
	if deadline, ok := ctx.Deadline(); ok {
		left := uint64(time.Until(deadline).Milliseconds())
		reply.RemainingMs = &left
	}
	if answered, ok := ctx.Value(share.ResMetaDataKey).(map[string]string); ok {
		answered["seen-by"] = "calculator"
	}
	return nil
}

// Wait is a Motet method of one number; as protobuf its messages are those of the wrappers.
func (*Arith) Wait(ctx context.Context, args *wrapperspb.UInt64Value, reply *wrapperspb.UInt64Value) error {
	time.Sleep(time.Duration(args.Value) * time.Millisecond)
	reply.Value = args.Value
	return nil
}

func (a *Arith) Note(_ context.Context, args *Text, _ *Nothing) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.notes = append(a.notes, args.Text)
	return nil
}

func (a *Arith) Notes(_ context.Context, _ *Nothing, reply *Text) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	reply.Text = strings.Join(a.notes, " ")
	return nil
}

func (*Arith) Nothing(context.Context, *Nothing, *Nothing) error { return nil }

func serve() error {
	s := server.NewServer()
	s.DisableHTTPGateway = true
	s.AuthFunc = func(_ context.Context, req *protocol.Message, token string) error {
		if token == "wrong" {
			return errors.New("auth failed")
		}
		return nil
	}
	if err := s.RegisterName("Arith", new(Arith), ""); err != nil {
		return err
	}
	go func() {
		for s.Address() == nil {
			time.Sleep(time.Millisecond)
		}
		fmt.Println("listening", s.Address())
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return s.Serve("tcp", "127.0.0.1:0")
}

type caller struct {
	*client.Client
	address string
}

func dial(address string, change func(*client.Option)) caller {
	option := client.DefaultOption
	option.SerializeType = protocol.MsgPack
	if change != nil {
		change(&option)
	}
	c := client.NewClient(option)
	if err := c.Connect("tcp", address); err != nil {
		panic(err)
	}
	return caller{c, address}
}

func within(d time.Duration) context.Context {
	ctx, _ := context.WithTimeout(context.Background(), d)
	return ctx
}

func with(pairs map[string]string) context.Context {
	return context.WithValue(within(time.Minute), share.ReqMetaDataKey, pairs)
}

func (c caller) mul(ctx context.Context, a, b int64) error {
	var reply Product
	if err := c.Call(ctx, "Arith", "Mul", &Pair{a, b}, &reply); err != nil {
		return err
	}
	if reply.C != a*b {
		return fmt.Errorf("%d times %d is %d", a, b, reply.C)
	}
	return nil
}

func (c caller) same(value Everything) error {
	var reply Everything
	if err := c.Call(within(time.Minute), "Arith", "Same", &value, &reply); err != nil {
		return err
	}
	if !reflect.DeepEqual(value, reply) {
		return errors.New("another value came back")
	}
	return nil
}

func expect(err error, text string) error {
	if err == nil || !strings.Contains(err.Error(), text) {
		return fmt.Errorf("%v is not %s", err, text)
	}
	return nil
}

func empty() Everything { return Everything{Bytes: []byte{}, List: []int32{}} }

var cases = []struct {
	name string
	run  func(address string) error
}{
	{"unary", func(address string) error {
		return dial(address, nil).mul(within(time.Minute), 10, 20)
	}},
	{"unary, JSON", func(address string) error {
		return dial(address, func(o *client.Option) { o.SerializeType = protocol.JSON }).mul(within(time.Minute), 10, 20)
	}},
	{"unary, protobuf", func(address string) error {
		c := dial(address, func(o *client.Option) { o.SerializeType = protocol.ProtoBuffer })
		var reply wrapperspb.UInt64Value
		err := c.Call(within(time.Minute), "Arith", "Wait", wrapperspb.UInt64(7), &reply)
		if err == nil && reply.Value != 7 {
			return errors.New("another number came back")
		}
		return err
	}},
	{"errors", func(address string) error {
		c := dial(address, nil)
		var reply Product
		err := c.Call(within(time.Minute), "Arith", "Div", &Pair{1, 0}, &reply)
		if err := expect(err, "divide by zero"); err != nil {
			return err
		}
		err = c.Call(within(time.Minute), "Arith", "Mod", &Pair{1, 0}, &reply)
		if err := expect(err, "rpcx: can't find method Mod"); err != nil {
			return err
		}
		err = c.Call(within(time.Minute), "Nobody", "Mul", &Pair{1, 0}, &reply)
		if err := expect(err, "rpcx: can't find service Nobody"); err != nil {
			return err
		}
		return c.mul(within(time.Minute), 2, 3)
	}},
	{"deadlines", func(address string) error {
		// Only rpcx's XClient sends its deadline.
		discovery, err := client.NewPeer2PeerDiscovery("tcp@"+address, "")
		if err != nil {
			return err
		}
		x := client.NewXClient("Arith", client.Failtry, client.RandomSelect, discovery, client.DefaultOption)
		defer x.Close()
		var about About
		if err := x.Call(within(5*time.Second), "About", &Nothing{}, &about); err != nil {
			return err
		}
		if about.RemainingMs == nil || *about.RemainingMs > 5000 || *about.RemainingMs < 1000 {
			return fmt.Errorf("the deadline did not come as one of 5 s: %+v", about)
		}
		var reply wrapperspb.UInt64Value
		p := dial(address, func(o *client.Option) { o.SerializeType = protocol.ProtoBuffer })
		return expect(p.Call(within(100*time.Millisecond), "Arith", "Wait", wrapperspb.UInt64(20000), &reply), "deadline exceeded")
	}},
	{"metadata", func(address string) error {
		answered := map[string]string{}
		ctx := context.WithValue(with(map[string]string{"trace": "t1"}), share.ResMetaDataKey, answered)
		var about About
		if err := dial(address, nil).Call(ctx, "Arith", "About", &Nothing{}, &about); err != nil {
			return err
		}
		if about.Trace != "t1" || answered["seen-by"] != "calculator" {
			return fmt.Errorf("%q came, %v came back", about.Trace, answered)
		}
		return nil
	}},
	{"one-way", func(address string) error {
		c := dial(address, nil)
		if err := c.Call(within(time.Minute), "Arith", "Note", &Text{"from rpcx"}, nil); err != nil {
			return err
		}
		return c.mul(within(time.Minute), 2, 3)
	}},
	{"nil and zero values", func(address string) error {
		c, maybe := dial(address, nil), ""
		full := Everything{true, -1, -1 << 63, 1<<64 - 1, 0.5, "李白 你好", []byte{0, 255}, []int32{1, -2, 3}, &maybe}
		if err := c.same(full); err != nil {
			return err
		}
		if err := c.same(empty()); err != nil {
			return err
		}
		return c.Call(within(time.Minute), "Arith", "Nothing", &Nothing{}, &Nothing{})
	}},
	{"4 MiB − 1 KiB, and over the limit", func(address string) error {
		c, value := dial(address, nil), empty()
		value.Text = strings.Repeat("x", 4<<20-2048)
		if err := c.same(value); err != nil {
			return err
		}
		value.Text = strings.Repeat("x", 4<<20+1)
		if err := expect(c.same(value), "longer than the limit"); err != nil {
			return err
		}
		return c.mul(within(time.Minute), 2, 3)
	}},
	{"gzip", func(address string) error {
		c, value := dial(address, func(o *client.Option) { o.CompressType = protocol.Gzip }), empty()
		value.Bytes = bytes.Repeat([]byte("la "), 100_000)
		return c.same(value)
	}},
	{"1,000 concurrent calls", func(address string) error {
		c, done := dial(address, nil), make(chan error, 1000)
		for number := int64(0); number < 1000; number++ {
			go func() { done <- c.mul(within(time.Minute), number, 3) }()
		}
		for range 1000 {
			if err := <-done; err != nil {
				return err
			}
		}
		return nil
	}},
	{"heartbeats", func(address string) error {
		c := dial(address, func(o *client.Option) {
			o.SerializeType = protocol.ProtoBuffer
			o.Heartbeat, o.HeartbeatInterval, o.MaxWaitForHeartbeat = true, 50*time.Millisecond, 5*time.Second
		})
		for _, millis := range []uint64{1000, 0} {
			var reply wrapperspb.UInt64Value
			if err := c.Call(within(time.Minute), "Arith", "Wait", wrapperspb.UInt64(millis), &reply); err != nil {
				return err
			}
			time.Sleep(300 * time.Millisecond)
		}
		if c.IsClosing() || c.IsShutdown() {
			return errors.New("the client took the server for dead")
		}
		return nil
	}},
	{"a silent connection that calls late", func(address string) error {
		c := dial(address, nil)
		time.Sleep(silence())
		return c.mul(within(time.Minute), 2, 3)
	}},
	{"half close", func(address string) error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		req := protocol.NewMessage()
		req.SetSerializeType(protocol.JSON)
		req.ServicePath, req.ServiceMethod = "Arith", "Wait"
		req.Payload = []byte(`{"millis":300}`)
		conn.Write(req.Encode())
		conn.(*net.TCPConn).CloseWrite()
		res, err := protocol.Read(conn)
		if err != nil || string(res.Payload) != `{"value":300}` {
			return fmt.Errorf("%v %v", res, err)
		}
		if _, err := protocol.Read(conn); err != io.EOF {
			return fmt.Errorf("not the end: %v", err)
		}
		return nil
	}},
}

// silence is a second, or what MOTET_SILENCE says.
func silence() time.Duration {
	if given, err := time.ParseDuration(os.Getenv("MOTET_SILENCE")); err == nil {
		return given
	}
	return time.Second
}

func token(address string) error {
	c := dial(address, nil)
	if err := c.mul(with(map[string]string{share.AuthKey: "hello01"}), 2, 3); err != nil {
		return err
	}
	if err := expect(c.mul(with(map[string]string{share.AuthKey: "hello02"}), 2, 3), "auth failed"); err != nil {
		return err
	}
	return dial(address, nil).mul(with(map[string]string{share.AuthKey: "hello01"}), 2, 3)
}

func lost(address string) error {
	c := dial(address, func(o *client.Option) { o.SerializeType = protocol.ProtoBuffer })
	begun := time.Now()
	var reply wrapperspb.UInt64Value
	err := c.Call(within(time.Minute), "Arith", "Wait", wrapperspb.UInt64(50_000), &reply)
	if err == nil || time.Since(begun) > 30*time.Second {
		return fmt.Errorf("%v after %v", err, time.Since(begun))
	}
	return nil
}

func report(name string, run func(string) error, address string) bool {
	err := run(address)
	if err != nil {
		fmt.Printf("FAILED %s: %v\n", name, err)
	} else {
		fmt.Printf("ok %s\n", name)
	}
	return err == nil
}

func main() {
	share.Trace = false
	good := true
	switch os.Args[1] {
	case "server":
		if err := serve(); err != nil {
			panic(err)
		}
	case "client":
		for _, c := range cases {
			good = report(c.name, c.run, os.Args[2]) && good
		}
	case "token":
		good = report("a token, and a wrong one", token, os.Args[2])
	case "lost":
		good = report("peer killed in mid-call", lost, os.Args[2])
	}
	if !good {
		os.Exit(1)
	}
}
