package main

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// Buckets of a power of two: a bucket is at most 1/64 of its value wide. Values from 2^40 ns on share
// the last one. It is motet-bench's histogram.rs.
const (
	logSteps = 6
	steps    = 1 << logSteps
	buckets  = steps * (40 - logSteps + 1)
)

// histogram counts latencies while it is on.
type histogram struct {
	on     atomic.Bool
	counts [buckets]atomic.Uint64
}

func (h *histogram) record(latency time.Duration, calls uint64) {
	if h.on.Load() {
		h.counts[bucket(uint64(latency))].Add(calls)
	}
}

func (h *histogram) calls() (all uint64) {
	for at := range h.counts {
		all += h.counts[at].Load()
	}
	return all
}

// percentile is the latency in µs that this share of the calls did not exceed.
func (h *histogram) percentile(share float64) float64 {
	rank := uint64(math.Max(1, math.Ceil(share*float64(h.calls()))))
	var seen uint64
	for at := range h.counts {
		if seen += h.counts[at].Load(); seen >= rank {
			return middle(at) / 1000
		}
	}
	return 0
}

func bucket(nanos uint64) int {
	if nanos < steps {
		return int(nanos)
	}
	shift := bits.Len64(nanos) - 1 - logSteps
	return min(shift*steps+int(nanos>>shift), buckets-1)
}

func middle(bucket int) float64 {
	if bucket < steps {
		return float64(bucket)
	}
	shift := bucket/steps - 1
	low := uint64(bucket%steps+steps) << shift
	return float64(low) + float64(uint64(1)<<shift)/2
}
