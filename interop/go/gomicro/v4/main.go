// A peer of go-micro's own library for Motet's interoperability tests. interop/gomicro/run builds it for
// each version: the import paths are all that differs.
//
//	gomicro FLAVOUR server                     serves Greeter, says "listening ADDRESS", ends with its input
//	gomicro FLAVOUR client ADDRESS [CASE…]     calls greeter there; a line for each case: "ok CASE" or "FAILED CASE: why"
//	gomicro FLAVOUR lost ADDRESS               makes a call that its server does not live to answer
//	gomicro FLAVOUR proxied ADDRESS            calls greeter by name, MICRO_PROXY being the address
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"go-micro.dev/v4/broker"
	"go-micro.dev/v4/client"
	"go-micro.dev/v4/codec"
	raw "go-micro.dev/v4/codec/bytes"
	"go-micro.dev/v4/errors"
	"go-micro.dev/v4/logger"
	"go-micro.dev/v4/metadata"
	"go-micro.dev/v4/registry"
	"go-micro.dev/v4/server"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type CallRequest struct {
	Name string `json:"name"`
}
type CallResponse struct {
	Msg string `json:"msg"`
}
type Stroke struct {
	Stroke int64 `json:"stroke"`
}
type Count struct {
	Count int64 `json:"count"`
}
type Key struct {
	Key string `json:"key"`
}
type Value struct {
	Value string `json:"value"`
}
type Code struct {
	Code int32 `json:"code"`
}
type Empty struct{}
type Millis struct {
	Millis uint64 `json:"millis"`
}
type Number struct {
	Value uint64 `json:"value"`
}
type About struct {
	Protocol    string  `json:"protocol"`
	RemainingMs *uint64 `json:"remaining_ms"`
}
type Everything struct {
	Yes   bool    `json:"yes"`
	Small int8    `json:"small"`
	Least int64   `json:"least"`
	Most  uint64  `json:"most"`
	Half  float64 `json:"half"`
	Text  string  `json:"text"`
	List  []int32 `json:"list"`
	Maybe *string `json:"maybe"`
}

type Greeter struct{}

func (*Greeter) Call(_ context.Context, req *CallRequest, rsp *CallResponse) error {
	rsp.Msg = "Hello " + req.Name
	return nil
}

func (*Greeter) Find(_ context.Context, req *CallRequest, _ *Empty) error {
	return errors.NotFound("GreetError.Nobody", "nobody is called %s", req.Name)
}

func (*Greeter) Fail(_ context.Context, req *Code, _ *Empty) error {
	if req.Code == 0 {
		return fmt.Errorf("as asked")
	}
	return errors.New("greeter", "as asked", req.Code)
}

func (*Greeter) Same(_ context.Context, req *Everything, rsp *Everything) error {
	*rsp = *req
	return nil
}

// Wait is a Motet method of one number; as protobuf its messages are those of the wrappers.
func (*Greeter) Wait(_ context.Context, req *wrapperspb.UInt64Value, rsp *wrapperspb.UInt64Value) error {
	time.Sleep(time.Duration(req.Value) * time.Millisecond)
	rsp.Value = req.Value
	return nil
}

func (*Greeter) Meta(ctx context.Context, req *Key, rsp *Value) error {
	rsp.Value, _ = metadata.Get(ctx, req.Key)
	return nil
}

func (*Greeter) About(ctx context.Context, _ *Empty, rsp *About) error {
	rsp.Protocol = "go-micro"
	if deadline, ok := ctx.Deadline(); ok {
		left := uint64(time.Until(deadline).Milliseconds())
		rsp.RemainingMs = &left
	}
	return nil
}

func (*Greeter) ClientStream(_ context.Context, stream server.Stream) error {
	var count int64
	for {
		var stroke Stroke
		err := stream.Recv(&stroke)
		if err == io.EOF {
			return stream.Send(&Count{count})
		}
		if err != nil {
			return err
		}
		count++
	}
}

func (*Greeter) ServerStream(_ context.Context, stream server.Stream) error {
	var req Count
	if err := stream.Recv(&req); err != nil {
		return err
	}
	for n := int64(0); n < req.Count; n++ {
		pace()
		if err := stream.Send(&Count{n}); err != nil {
			return err
		}
	}
	return nil
}

func (*Greeter) BidiStream(_ context.Context, stream server.Stream) error {
	for {
		var stroke Stroke
		err := stream.Recv(&stroke)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if stroke.Stroke == -1 {
			return errors.Conflict("greeter", "minus one")
		}
		if err := stream.Send(&stroke); err != nil {
			return err
		}
	}
}

// pace keeps a stream's messages apart: a server of go-micro writes each into the same buffer before the one in front
// of it is sent. Its templates wait 250 ms between two.
func pace() { time.Sleep(30 * time.Millisecond) }

func serve(flavour string) error {
	s := newServer(flavour, server.Name("greeter"), server.Address("127.0.0.1:0"),
		server.Registry(registry.NewMemoryRegistry()), server.Broker(broker.NewMemoryBroker()))
	if err := s.Handle(s.NewHandler(new(Greeter))); err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	fmt.Println("listening", s.Options().Address)
	io.Copy(io.Discard, os.Stdin)
	return nil
}

type caller struct {
	client.Client
	flavour string
	options []client.CallOption
}

// timeouts gives an attempt all the time there is: by default it has 5 s.
func timeouts(d time.Duration) client.CallOption {
	return func(o *client.CallOptions) { o.RequestTimeout, o.ConnectionTimeout = d, d }
}

func dial(flavour, address string) caller {
	c := newClient(flavour, client.Registry(registry.NewMemoryRegistry()), client.Broker(broker.NewMemoryBroker()),
		client.Retries(0))
	options := []client.CallOption{timeouts(time.Minute)}
	if address != "" {
		options = append(options, client.WithAddress(address))
	}
	return caller{c, flavour, options}
}

func (c caller) as(contentType string, ctx context.Context, endpoint string, req, rsp interface{}, more ...client.CallOption) error {
	request := c.NewRequest("greeter", endpoint, req, client.WithContentType(contentType))
	return c.Client.Call(ctx, request, rsp, append(append([]client.CallOption{}, c.options...), more...)...)
}

func (c caller) call(endpoint string, req, rsp interface{}) error {
	return c.as("application/json", context.Background(), endpoint, req, rsp)
}

func (c caller) hello() error {
	var rsp CallResponse
	if err := c.call("Greeter.Call", &CallRequest{"李白"}, &rsp); err != nil {
		return err
	}
	return equal(rsp.Msg, "Hello 李白")
}

func (c caller) stream(endpoint string) (client.Stream, error) {
	request := c.NewRequest("greeter", endpoint, &Empty{}, client.WithContentType("application/json"), client.StreamingRequest())
	return c.Client.Stream(context.Background(), request, c.options...)
}

// half ends the requests of a stream and leaves the replies: mucp has no CloseSend, so that it is written by hand.
func (c caller) half(stream client.Stream) error {
	if c.flavour != "mucp" {
		return stream.CloseSend()
	}
	message := codec.Message{Type: codec.Error, Error: "EOS", Target: "greeter"}
	message.Method, message.Endpoint = stream.Request().Method(), stream.Request().Endpoint()
	return stream.Request().Codec().Write(&message, nil)
}

func equal(got, expected interface{}) error {
	if !reflect.DeepEqual(got, expected) {
		return fmt.Errorf("%v is not %v", got, expected)
	}
	return nil
}

func refused(err error, code int32, id, detail string) error {
	if err == nil {
		return fmt.Errorf("it was answered")
	}
	e := errors.FromError(err)
	if e.Code != code || !strings.Contains(e.Detail, detail) || (id != "" && e.Id != id) {
		return fmt.Errorf("%v is not %d %s %s", err, code, id, detail)
	}
	return nil
}

func everything() Everything {
	maybe := ""
	return Everything{true, -1, -1 << 63, 1<<64 - 1, 0.5, "李白 你好", []int32{1, -2, 3}, &maybe}
}

func (c caller) same(value Everything) error {
	var rsp Everything
	if err := c.call("Greeter.Same", &value, &rsp); err != nil {
		return err
	}
	if !reflect.DeepEqual(value, rsp) {
		return fmt.Errorf("another value came back")
	}
	return nil
}

func (c caller) wait(contentType string, millis uint64, more ...client.CallOption) error {
	var rsp wrapperspb.UInt64Value
	err := c.as(contentType, context.Background(), "Greeter.Wait", wrapperspb.UInt64(millis), &rsp, more...)
	if err != nil {
		return err
	}
	return equal(rsp.Value, millis)
}

func (c caller) collect(stream client.Stream) ([]int64, error) {
	var all []int64
	for {
		var count Count
		err := stream.Recv(&count)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, count.Count)
	}
}

var cases = []struct {
	name string
	mucp bool
	run  func(c caller, address string) error
}{
	{"unary", false, func(c caller, _ string) error { return c.hello() }},
	{"unary, protobuf", false, func(c caller, _ string) error { return c.wait("application/protobuf", 7) }},
	{"unary, in the envelopes of old versions", true, func(c caller, _ string) error {
		var rsp CallResponse
		if err := c.as("application/json-rpc", context.Background(), "Greeter.Call", &CallRequest{"John"}, &rsp); err != nil {
			return err
		}
		if err := equal(rsp.Msg, "Hello John"); err != nil {
			return err
		}
		return c.wait("application/proto-rpc", 7)
	}},
	{"unary, a raw frame", true, func(c caller, _ string) error {
		var rsp raw.Frame
		if err := c.call("Greeter.Call", &raw.Frame{Data: []byte(`{"name":"John"}`)}, &rsp); err != nil {
			return err
		}
		return equal(strings.TrimSpace(string(rsp.Data)), `{"msg":"Hello John"}`)
	}},
	{"errors", false, func(c caller, _ string) error {
		if err := refused(c.call("Greeter.Find", &CallRequest{"Ada"}, &Empty{}), 404, "GreetError.Nobody", "nobody is called Ada"); err != nil {
			return err
		}
		for _, code := range []int32{5, 7, 9, 13, 14, 16} {
			expected := map[int32]int32{5: 404, 7: 403, 9: 412, 13: 500, 14: 503, 16: 401}[code]
			if err := refused(c.call("Greeter.Fail", &Code{code}, &Empty{}), expected, "", "as asked"); err != nil {
				return err
			}
		}
		service, method := "rpc: can't find service Nobody", "rpc: can't find method Bye"
		if c.flavour != "mucp" {
			service, method = "no such service", "no such method"
		}
		for _, unknown := range [][2]string{{"Nobody.Call", service}, {"Greeter.Bye", method}} {
			err := c.call(unknown[0], &Empty{}, &Empty{})
			if err == nil || !strings.Contains(err.Error(), unknown[1]) {
				return fmt.Errorf("%v is not %s", err, unknown[1])
			}
		}
		return c.hello()
	}},
	{"an unknown content type", true, func(c caller, address string) error {
		answer, err := exchange(address, "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\nMicro-Endpoint: Greeter.Call\r\n"+
			"Content-Length: 0\r\nConnection: close\r\n\r\n")
		if err != nil || !strings.Contains(answer, "Content-Type: text/plain") || !strings.Contains(answer, "text/xml") {
			return fmt.Errorf("%v %s", err, answer)
		}
		return nil
	}},
	{"deadlines", false, func(c caller, _ string) error {
		var about About
		if err := c.as("application/json", context.Background(), "Greeter.About", &Empty{}, &about, timeouts(5*time.Second)); err != nil {
			return err
		}
		if about.RemainingMs == nil || *about.RemainingMs > 5000 || *about.RemainingMs < 1000 {
			return fmt.Errorf("the deadline did not come as one of 5 s: %+v", about)
		}
		return refused(c.wait("application/protobuf", 20_000, timeouts(200*time.Millisecond)), 408, "", "")
	}},
	{"metadata", false, func(c caller, _ string) error {
		ctx := metadata.NewContext(context.Background(), metadata.Metadata{"Trace": "t1", "Authorization": "Bearer x"})
		for key, value := range map[string]string{"trace": "t1", "authorization": "Bearer x"} {
			var rsp Value
			if err := c.as("application/json", ctx, "Greeter.Meta", &Key{key}, &rsp); err != nil {
				return err
			}
			if err := equal(rsp.Value, value); err != nil {
				return err
			}
		}
		return nil
	}},
	{"nil and zero values", false, func(c caller, _ string) error {
		if err := c.same(everything()); err != nil {
			return err
		}
		return c.same(Everything{List: []int32{}})
	}},
	{"empty bodies", false, func(c caller, _ string) error { return c.wait("application/protobuf", 0) }},
	{"4 MiB − 1 KiB, and over the limit", false, func(c caller, _ string) error {
		value := Everything{List: []int32{}, Text: strings.Repeat("x", 4<<20-2048)}
		if err := c.same(value); err != nil {
			return err
		}
		value.Text = strings.Repeat("x", 4<<20+1)
		if err := c.same(value); err == nil || (c.flavour == "mucp" && errors.FromError(err).Code != 429) {
			return fmt.Errorf("over the limit: %v", err)
		}
		return c.hello()
	}},
	{"1,000 concurrent calls", false, func(c caller, _ string) error {
		var wait sync.WaitGroup
		failed := make(chan error, 1000)
		for number := 0; number < 1000; number++ {
			wait.Add(1)
			go func(number int) {
				defer wait.Done()
				var rsp CallResponse
				err := c.call("Greeter.Call", &CallRequest{fmt.Sprint(number)}, &rsp)
				if err == nil {
					err = equal(rsp.Msg, fmt.Sprint("Hello ", number))
				}
				if err != nil {
					failed <- err
				}
			}(number)
		}
		wait.Wait()
		select {
		case err := <-failed:
			return err
		default:
			return nil
		}
	}},
	{"client stream → count", false, func(c caller, _ string) error {
		for _, total := range []int64{0, 1, 500} {
			stream, err := c.stream("Greeter.ClientStream")
			if err != nil {
				return err
			}
			for stroke := int64(0); stroke < total; stroke++ {
				if err := stream.Send(&Stroke{stroke}); err != nil {
					return err
				}
			}
			if err := c.half(stream); err != nil {
				return err
			}
			var count Count
			if err := stream.Recv(&count); err != nil {
				return err
			}
			stream.Close()
			if err := equal(count.Count, total); err != nil {
				return err
			}
		}
		return nil
	}},
	{"server stream → 0..n-1", false, func(c caller, _ string) error {
		for _, total := range []int64{0, 1, 500} {
			stream, err := c.stream("Greeter.ServerStream")
			if err != nil {
				return err
			}
			if err := stream.Send(&Count{total}); err != nil {
				return err
			}
			all, err := c.collect(stream)
			stream.Close()
			if err != nil || int64(len(all)) != total {
				return fmt.Errorf("%d of %d came: %v", len(all), total, err)
			}
		}
		return nil
	}},
	{"bidi → echo", false, func(c caller, _ string) error {
		stream, err := c.stream("Greeter.BidiStream")
		if err != nil {
			return err
		}
		for number := int64(0); number < 500; number++ {
			if err := stream.Send(&Stroke{number}); err != nil {
				return err
			}
			var stroke Stroke
			if err := stream.Recv(&stroke); err != nil {
				return err
			}
			if err := equal(stroke.Stroke, number); err != nil {
				return err
			}
		}
		if err := stream.Close(); err != nil {
			return err
		}
		return c.hello()
	}},
	{"an error ends a stream", false, func(c caller, _ string) error {
		stream, err := c.stream("Greeter.BidiStream")
		if err != nil {
			return err
		}
		defer stream.Close()
		if err := stream.Send(&Stroke{-1}); err != nil {
			return err
		}
		var stroke Stroke
		err = stream.Recv(&stroke)
		if err == nil || !strings.Contains(err.Error(), "minus one") {
			return fmt.Errorf("%v is not minus one", err)
		}
		return nil
	}},
	{"a silent connection that calls late", false, func(c caller, _ string) error {
		if err := c.hello(); err != nil {
			return err
		}
		stream, err := c.stream("Greeter.BidiStream")
		if err != nil {
			return err
		}
		defer stream.Close()
		time.Sleep(silence())
		if err := stream.Send(&Stroke{7}); err != nil {
			return err
		}
		var stroke Stroke
		if err := stream.Recv(&stroke); err != nil {
			return err
		}
		return c.hello()
	}},
	{"half close", true, func(c caller, address string) error {
		answer, err := exchange(address, "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nMicro-Endpoint: Greeter.Wait\r\n"+
			"Content-Length: 14\r\n\r\n{\"millis\":300}")
		if err != nil || !strings.HasSuffix(answer, "{\"value\":300}\n") {
			return fmt.Errorf("%v %s", err, answer)
		}
		return nil
	}},
}

// exchange sends bytes, closes its half and reads all that comes.
func exchange(address, bytes string) (string, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	conn.Write([]byte(bytes))
	conn.(*net.TCPConn).CloseWrite()
	all, err := io.ReadAll(conn)
	return string(all), err
}

// silence is a second, or what MOTET_SILENCE says.
func silence() time.Duration {
	if given, err := time.ParseDuration(os.Getenv("MOTET_SILENCE")); err == nil {
		return given
	}
	return time.Second
}

func lost(c caller, _ string) error {
	begun := time.Now()
	var rsp Number
	err := c.call("Greeter.Wait", &Millis{50_000}, &rsp)
	if err == nil || time.Since(begun) > 30*time.Second {
		return fmt.Errorf("%v after %v", err, time.Since(begun))
	}
	return nil
}

func report(name string, run func(caller, string) error, c caller, address string) bool {
	err := run(c, address)
	if err != nil {
		fmt.Printf("FAILED %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
	} else {
		fmt.Printf("ok %s\n", name)
	}
	return err == nil
}

func main() {
	logger.DefaultLogger.Init(logger.WithOutput(os.Stderr), logger.WithLevel(logger.FatalLevel))
	flavour, what, good := os.Args[1], os.Args[2], true
	switch what {
	case "server":
		if err := serve(flavour); err != nil {
			panic(err)
		}
	case "client":
		for _, it := range cases {
			if it.mucp && flavour != "mucp" {
				continue
			}
			good = report(it.name, it.run, dial(flavour, os.Args[3]), os.Args[3]) && good
		}
	case "lost":
		good = report("peer killed in mid-call", lost, dial(flavour, os.Args[3]), os.Args[3])
	case "proxied":
		good = report("MICRO_PROXY", func(c caller, _ string) error { return c.hello() }, dial(flavour, ""), "")
	}
	if !good {
		os.Exit(1)
	}
}
