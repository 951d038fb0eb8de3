package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/rpc"
	"reflect"
	"strings"
	"time"
)

// call runs one case against a server.
func call(flavour, address, name string) error {
	client, err := dial(flavour, address)
	if err != nil {
		return err
	}
	defer client.Close()
	run, known := cases[name]
	if !known {
		return errors.New("no such case")
	}
	done := make(chan error, 1)
	go func() { done <- run(client, flavour) }()
	select {
	case err := <-done:
		return err
	case <-time.After(90 * time.Second):
		return errors.New("it takes too long")
	}
}

var cases = map[string]func(*rpc.Client, string) error{
	"unary":      unary,
	"errors":     wrong,
	"zero":       zero,
	"large":      large,
	"concurrent": concurrent,
	"pipelined":  pipelined,
	"late":       late,
	"killed":     killed,
}

func want[T any](what string, got, expected T) error {
	if !reflect.DeepEqual(got, expected) {
		return fmt.Errorf("%s: %.200v, not %.200v", what, got, expected)
	}
	return nil
}

func unary(c *rpc.Client, flavour string) error {
	var text string
	if err := c.Call("world.HelloWorld", "李白", &text); err != nil {
		return err
	}
	if err := want("HelloWorld", text, "李白 你好...."); err != nil {
		return err
	}
	var quotient int
	if err := c.Call("world.Divide", Args{-7, 2}, &quotient); err != nil {
		return err
	}
	if err := want("Divide", quotient, -3); err != nil {
		return err
	}
	item := Item{"<李白>", 1 << 31, 17.5, true, []byte{0, 1, 255}, []string{"a", ""}, []Inner{{"x", -1}, {}},
		map[string]int{"k": 1 << 40}, &Inner{"m", 2}, -1 << 62}
	if flavour == "jsonrpc" {
		item.Data = nil // bytes are base64 text in Go's JSON and numbers in Rust's
	}
	var back Item
	if err := c.Call("world.Echo", item, &back); err != nil {
		return err
	}
	if err := want("Echo", normal(back), normal(item)); err != nil {
		return err
	}
	var lengths map[string]int
	if err := c.Call("world.Lengths", []string{"a", "", "bcd"}, &lengths); err != nil {
		return err
	}
	if err := want("Lengths", lengths, map[string]int{"a": 1, "": 0, "bcd": 3}); err != nil {
		return err
	}
	return c.Call("world.Nothing", struct{}{}, new(struct{}))
}

// normal makes nothing of what is empty: gob does not tell the two apart.
func normal(item Item) Item {
	if len(item.Data) == 0 {
		item.Data = nil
	}
	if len(item.List) == 0 {
		item.List = nil
	}
	if len(item.Nested) == 0 {
		item.Nested = nil
	}
	if len(item.ByName) == 0 {
		item.ByName = nil
	}
	return item
}

func wrong(c *rpc.Client, _ string) error {
	for _, call := range []struct {
		method string
		args   any
		text   string
	}{
		{"world.Divide", Args{1, 0}, "divide by zero"},
		{"world.Missing", 1, "rpc: can't find method world.Missing"},
		{"nobody.HelloWorld", 1, "rpc: can't find service nobody.HelloWorld"},
		{"nonsense", 1, "rpc: service/method request ill-formed: nonsense"},
	} {
		var reply int
		err := c.Call(call.method, call.args, &reply)
		if err == nil {
			return fmt.Errorf("%s did not fail", call.method)
		}
		if _, is := err.(rpc.ServerError); !is {
			return fmt.Errorf("%s: %T is no error of the server: %v", call.method, err, err)
		}
		if err := want(call.method, err.Error(), call.text); err != nil {
			return err
		}
	}
	return unary(c, "jsonrpc")
}

func zero(c *rpc.Client, flavour string) error {
	var text string
	if err := c.Call("world.HelloWorld", "", &text); err != nil {
		return err
	}
	if err := want("HelloWorld", text, " 你好...."); err != nil {
		return err
	}
	quotient := 7
	if err := c.Call("world.Divide", Args{0, 5}, &quotient); err != nil {
		return err
	}
	if err := want("Divide", quotient, 0); err != nil {
		return err
	}
	empty := Item{List: []string{}, Nested: []Inner{}, ByName: map[string]int{}, Data: []byte{}}
	if flavour == "jsonrpc" {
		empty.Data = nil
	}
	for _, item := range []Item{empty, {}} {
		var back Item
		if err := c.Call("world.Echo", item, &back); err != nil {
			return err
		}
		if err := want("Echo", normal(back), Item{}); err != nil {
			return err
		}
	}
	lengths := map[string]int{}
	if err := c.Call("world.Lengths", []string{}, &lengths); err != nil {
		return err
	}
	return want("Lengths", len(lengths), 0)
}

func large(c *rpc.Client, flavour string) error {
	size := 4<<20 - 1024
	item := Item{Name: strings.Repeat("x", size)}
	if flavour != "jsonrpc" {
		item.Name, item.Data = "", bytes.Repeat([]byte{7}, size)
	}
	var back Item
	if err := c.Call("world.Echo", item, &back); err != nil {
		return err
	}
	return want("Echo", normal(back), item)
}

func concurrent(c *rpc.Client, _ string) error {
	calls := make([]*rpc.Call, 1000)
	for n := range calls {
		calls[n] = c.Go("world.Divide", Args{n * 3, 3}, new(int), nil)
	}
	for n, call := range calls {
		<-call.Done
		if call.Error != nil {
			return call.Error
		}
		if err := want("Divide", *call.Reply.(*int), n); err != nil {
			return err
		}
	}
	return nil
}

// pipelined finds that a quick call is answered before a slow one that was made earlier.
func pipelined(c *rpc.Client, _ string) error {
	done := make(chan *rpc.Call, 2)
	c.Go("world.Slow", uint64(600), new(uint64), done)
	c.Go("world.Slow", uint64(0), new(uint64), done)
	first, second := <-done, <-done
	if err := errors.Join(first.Error, second.Error); err != nil {
		return err
	}
	return want("the first reply", *first.Reply.(*uint64), 0)
}

// late calls after a minute of silence.
func late(c *rpc.Client, flavour string) error {
	time.Sleep(61 * time.Second)
	return unary(c, flavour)
}

// killed prints that its call runs, and finds that the server goes away in the middle of it.
func killed(c *rpc.Client, _ string) error {
	slow := c.Go("world.Slow", uint64(60_000), new(uint64), nil)
	fmt.Println("running")
	<-slow.Done
	if slow.Error == nil {
		return errors.New("it was answered")
	}
	return nil
}
