package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// timed: with 16 calls in flight or more one in so many is timed, and counts for all of them, as in
// motet-bench's closed_loop.rs.
const timed = 8

// load is what a client process is asked to do.
type load struct {
	system      string
	message     string
	connections int
	inFlight    int
	server      string
	serverPID   int
	warmUp      time.Duration
	window      time.Duration
}

// row is what it prints: motet-bench's row.rs reads it.
type row struct {
	Round       int     `json:"round"`
	System      string  `json:"system"`
	Message     string  `json:"message"`
	Connections int     `json:"connections"`
	InFlight    int     `json:"in_flight"`
	RPS         float64 `json:"rps"`
	P50         float64 `json:"p50_us"`
	P99         float64 `json:"p99_us"`
	ServerCPU   float64 `json:"server_cpu_us"`
	ClientCPU   float64 `json:"client_cpu_us"`
	RSSStart    uint64  `json:"rss_start_kb"`
	RSS         uint64  `json:"rss_kb"`
	Others      float64 `json:"others_cores"`
}

// shape reads connections:calls in flight.
func (l *load) shape(text string) error {
	if _, err := fmt.Sscanf(text, "%d:%d", &l.connections, &l.inFlight); err != nil {
		return err
	}
	if l.connections < 1 || l.inFlight < l.connections {
		return fmt.Errorf("%s is no shape", text)
	}
	return nil
}

// measure connects, keeps the calls in flight, and counts those of the window.
func (l *load) measure(chosen system) (*row, error) {
	rssStart, err := residentKB(l.serverPID)
	if err != nil {
		return nil, err
	}
	latencies, failed := new(histogram), make(chan error, l.inFlight)
	for at := range l.connections {
		connection, err := chosen.dial(l.server)
		if err != nil {
			return nil, err
		}
		call := connection.big
		if l.message == "small" {
			call = connection.small
		}
		inFlight := l.inFlight / l.connections
		if at < l.inFlight%l.connections {
			inFlight++
		}
		for range inFlight {
			go func() { failed <- l.again(call, latencies) }()
		}
	}
	// A row that takes much longer than its warm-up and window is given up, as in motet-bench's child.rs.
	deadline := time.AfterFunc(l.warmUp+l.window+20*time.Second, func() {
		fmt.Fprintln(os.Stderr, "no result in time")
		os.Exit(1)
	})
	defer deadline.Stop()
	if err := sleep(l.warmUp, failed); err != nil {
		return nil, err
	}
	before, err := l.now()
	if err != nil {
		return nil, err
	}
	latencies.on.Store(true)
	if err := sleep(l.window, failed); err != nil {
		return nil, err
	}
	latencies.on.Store(false)
	after, err := l.now()
	if err != nil {
		return nil, err
	}
	return l.row(rssStart, before, after, latencies)
}

// again calls, checks the reply and calls again until a call fails.
func (l *load) again(call func() error, latencies *histogram) error {
	untimed := uint64(0)
	if l.inFlight >= 16 {
		untimed = timed - 1
	}
	for {
		for range untimed {
			if err := call(); err != nil {
				return err
			}
		}
		began := time.Now()
		if err := call(); err != nil {
			return err
		}
		latencies.record(time.Since(began), untimed+1)
	}
}

// sleep passes time unless a caller ends.
func sleep(length time.Duration, failed <-chan error) error {
	select {
	case err := <-failed:
		return fmt.Errorf("a call failed: %w", err)
	case <-time.After(length):
		return nil
	}
}

// moment is the counters at one end of the window.
type moment struct {
	at                      time.Time
	server, client, machine time.Duration
}

func (l *load) now() (now moment, err error) {
	var errs [3]error
	now.server, errs[0] = cpuTime(l.serverPID)
	now.client, errs[1] = cpuTime(os.Getpid())
	now.machine, errs[2] = machineCPUTime()
	now.at = time.Now()
	return now, errors.Join(errs[:]...)
}

func (l *load) row(rssStart uint64, before, after moment, latencies *histogram) (*row, error) {
	calls := latencies.calls()
	if calls == 0 {
		return nil, fmt.Errorf("no call ended within %v", l.window)
	}
	rss, err := residentKB(l.serverPID)
	if err != nil {
		return nil, err
	}
	elapsed := after.at.Sub(before.at).Seconds()
	server, client := after.server-before.server, after.client-before.client
	others := max(after.machine-before.machine-server-client, 0)
	micros := func(time time.Duration) float64 { return time.Seconds() * 1e6 / float64(calls) }
	return &row{
		System:      l.system,
		Message:     l.message,
		Connections: l.connections,
		InFlight:    l.inFlight,
		RPS:         float64(calls) / elapsed,
		P50:         latencies.percentile(0.50),
		P99:         latencies.percentile(0.99),
		ServerCPU:   micros(server),
		ClientCPU:   micros(client),
		RSSStart:    rssStart,
		RSS:         rss,
		Others:      others.Seconds() / elapsed,
	}, nil
}
