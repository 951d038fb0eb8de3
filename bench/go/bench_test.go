package main

import (
	"net"
	"os"
	"testing"
	"time"
)

func TestEverySystemAnswersBothMessages(t *testing.T) {
	for name, chosen := range systems {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go chosen.serve(listener)
		var connection client
		// Some listen anew at the same address.
		for range 100 {
			if connection, err = chosen.dial(listener.Addr().String()); err == nil {
				if err = connection.big(); err == nil {
					break
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := connection.small(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

func TestPercentilesAreWithinOne64th(t *testing.T) {
	latencies := new(histogram)
	latencies.on.Store(true)
	for micros := 1; micros <= 1000; micros++ {
		latencies.record(time.Duration(micros)*time.Microsecond, 1)
	}
	for share, expected := range map[float64]float64{0.5: 500, 0.99: 990, 1: 1000} {
		if got := latencies.percentile(share); got < expected*63/64 || got > expected*65/64 {
			t.Errorf("%v: %v, not %v", share, got, expected)
		}
	}
	if latencies.calls() != 1000 {
		t.Error(latencies.calls())
	}
}

func TestThisProcessHasMemoryAndUsesTime(t *testing.T) {
	own := os.Getpid()
	if rss, err := residentKB(own); err != nil || rss == 0 {
		t.Fatal(rss, err)
	}
	before, err := cpuTime(own)
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 60*time.Millisecond; {
	}
	if after, err := cpuTime(own); err != nil || after <= before {
		t.Fatal(before, after, err)
	}
}
