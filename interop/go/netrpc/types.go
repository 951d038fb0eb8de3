package main

import (
	"errors"
	"sync"
	"time"
)

// Args is what Divide takes: a struct with exported fields, as everybody writes it.
type Args struct{ A, B int }

// Inner is part of an Item.
type Inner struct {
	Text string
	N    int
}

// Item holds one field of each kind.
type Item struct {
	Name   string
	Count  uint32
	Ratio  float64
	Flag   bool
	Data   []byte
	List   []string
	Nested []Inner
	ByName map[string]int
	Maybe  *Inner
	UserID int64
}

// World is the service that both sides offer: registered as "world".
type World struct {
	mu   sync.Mutex
	runs int
}

func (w *World) HelloWorld(name string, reply *string) error {
	*reply = name + " 你好...."
	return nil
}

func (w *World) Divide(args Args, reply *int) error {
	if args.B == 0 {
		return errors.New("divide by zero")
	}
	*reply = args.A / args.B
	return nil
}

func (w *World) Echo(item Item, reply *Item) error {
	*reply = item
	return nil
}

func (w *World) Slow(ms uint64, reply *uint64) error {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	*reply = ms
	return nil
}

func (w *World) Lengths(texts []string, reply *map[string]int) error {
	for _, text := range texts {
		(*reply)[text] = len(text)
	}
	return nil
}

func (w *World) Nothing(_ struct{}, _ *struct{}) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs++
	return nil
}
