// This file sets what the kernel limits for a worker.

package worker

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// setResources sets the limits of the group's options, before Python starts. The time of processors only has a soft limit, at which the
// process gets SIGXCPU: it is to finish its requests. Memory is counted from here on: what Go has reserved so far, most of which it
// will never touch, is not the application's.
func setResources(o *daemon.Options) error {
	space, data := reserved()
	for _, limit := range []struct {
		option         string
		resource       int
		value, already uint64
		hard           bool
	}{
		{"cpu-time-limit", unix.RLIMIT_CPU, uint64(o.CPUTimeLimit / time.Second), 0, false},
		{"memory-limit", unix.RLIMIT_DATA, uint64(o.MemoryLimit), data, true},
		{"virtual-memory-limit", unix.RLIMIT_AS, uint64(o.VirtualMemoryLimit), space, true},
	} {
		if limit.value == 0 {
			continue
		}
		if err := setResource(limit.resource, limit.value+limit.already, limit.hard); err != nil {
			return fmt.Errorf("%s=%d: %w", limit.option, limit.value, err)
		}
	}
	return nil
}

// setResource sets a limit, which can be no higher than the one that the process was started with.
func setResource(resource int, value uint64, hard bool) error {
	var r unix.Rlimit
	if err := unix.Getrlimit(resource, &r); err != nil {
		return err
	}
	r.Cur = min(value, r.Max)
	if hard {
		r.Max = r.Cur
	}
	return unix.Setrlimit(resource, &r)
}

// reserved is how large this process's address space is, and how much of that the kernel counts as data: in bytes, 0 without /proc.
func reserved() (space, data uint64) {
	var resident, shared, text, library uint64
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, 0
	}
	if _, err := fmt.Sscan(string(statm), &space, &resident, &shared, &text, &library, &data); err != nil {
		return 0, 0
	}
	page := uint64(os.Getpagesize())
	return space * page, data * page
}
