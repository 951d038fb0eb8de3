package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pinned tells the process that pin started in place of this one.
const pinned = "MOTET_BENCH_PINNED"

// pin keeps this process on one core; below 0 it may run on any. Go has started threads by now, which
// stay where they are, so the process begins anew: all threads of a new program run where its first
// one may.
func pin(core int) error {
	if core < 0 || os.Getenv(pinned) != "" {
		return nil
	}
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("cannot use core %d: %w", core, err)
	}
	return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), pinned+"=1"))
}

// cpuTime is what all living threads of a process have used since it started.
func cpuTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("/proc/%d has no threads", pid)
	}
	var all time.Duration
	for _, file := range files {
		// A thread may end between the listing and the reading.
		line, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		nanos, err := firstNumber(string(line))
		if err != nil {
			return 0, err
		}
		all += time.Duration(nanos)
	}
	return all, nil
}

// residentKB is the resident memory of a process.
func residentKB(pid int) (uint64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	status, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if number, found := strings.CutPrefix(lines.Text(), "VmRSS:"); found {
			return firstNumber(number)
		}
	}
	return 0, fmt.Errorf("no VmRSS in %s", path)
}

// machineCPUTime is what all processes have used since the machine started, to 10 ms: user, nice,
// system, irq, softirq and steal of proc_stat(5).
func machineCPUTime() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	var ticks time.Duration
	for at, field := range strings.Fields(line) {
		if number, err := strconv.ParseUint(field, 10, 64); err == nil && at != 4 && at != 5 && at <= 8 {
			ticks += time.Duration(number)
		}
	}
	return ticks * 10 * time.Millisecond, nil
}

func firstNumber(text string) (uint64, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return 0, fmt.Errorf("no number in %q", text)
	}
	return strconv.ParseUint(fields[0], 10, 64)
}
