// This file tells where the CPU time of a small request goes: for the front server and for the processes behind it, CPU,
// system calls, wake-ups and context switches a request.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sides are the parts of a contender.
var sides = []string{"front", "worker"}

// of is a metric of a side, per request.
func of(side, what string) metric { return metric{key: side + "_" + what} }

// call is the metric of one system call.
func call(side, name string) metric { return of(side, "call_"+name) }

const (
	sideCPU      = "cpu_us"
	sideCalls    = "system_calls"
	sideWakes    = "wakes"    // of another thread
	sideSleeps   = "sleeps"   // voluntary context switches
	sidePreempts = "preempts" // the others
)

// tracepoints are what perf counts, and what they are here; those of the system calls that are told apart come besides.
var tracepoints = map[string]string{"raw_syscalls:sys_enter": sideCalls, "sched:sched_wakeup": sideWakes}

var namedCalls = []string{
	"futex", "epoll_wait", "epoll_pwait", "epoll_ctl", "poll", "read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto",
	"sendmsg", "sendfile64", "accept4", "connect", "socket", "close", "fcntl", "ioctl", "setsockopt", "getsockname", "newfstatat", "openat",
	"clock_nanosleep", "nanosleep", "sched_yield", "times", "rt_sigprocmask", "getpid", "tgkill",
}

var kindProfile = kind{
	one: "connection", many: "connections", columns: profileColumns(), alone: true,
	counts: func(opt options) []int { return opt.connections }, configure: titledGroup, measure: measureProfile, detail: writeCalls,
}

func profileColumns() []column {
	list := []column{{title: "requests/s", metric: rate, format: "%.0f"}}
	for _, side := range sides {
		list = append(list,
			column{title: side + ": CPU us", metric: of(side, sideCPU), format: "%.1f"},
			column{title: "calls", metric: of(side, sideCalls), format: "%.2f"},
			column{title: "wakes", metric: of(side, sideWakes), format: "%.2f"},
			column{title: "sleeps", metric: of(side, sideSleeps), format: "%.2f"},
			column{title: "preempted", metric: of(side, sidePreempts), format: "%.2f"})
	}
	return list
}

// titlePrefix begins the title of daemon processes that have display-name=%{GROUP}.
const titlePrefix = "(wsgi:"

func titledGroup(v *site, _ workload, _ int) { v.Groups[0].Options += " display-name=%{GROUP}" }

// measureProfile loads twice: counting system calls takes time, so CPU is measured without.
func measureProfile(ctx context.Context, b *bench, srv *server, w workload, connections int) (sample, error) {
	if err := b.warmUp(ctx, srv, w.key, b.opt.warmup); err != nil {
		return nil, err
	}
	before := srv.usage()
	s, err := measureLoad(ctx, b, srv, w, connections)
	if err != nil {
		return nil, err
	}
	requests := s[answered]
	for side, after := range srv.usage() {
		s[of(side, sideCPU)] = (after.cpu - before[side].cpu) / requests
		s[of(side, sideSleeps)] = (after.sleeps - before[side].sleeps) / requests
		s[of(side, sidePreempts)] = (after.preempts - before[side].preempts) / requests
	}
	if b.tools.perf == "" {
		return s, nil
	}
	return s, b.countCalls(ctx, srv, w, connections, s)
}

// countCalls adds what perf counts for each side during another run.
func (b *bench) countCalls(ctx context.Context, srv *server, w workload, connections int, to sample) error {
	counters := make(map[string]*perf)
	for side, processes := range srv.sides() {
		counter, err := startPerf(b.tools.perf, processes)
		if err != nil {
			return err
		}
		defer counter.end()
		counters[side] = counter
	}
	s, err := measureLoad(ctx, b, srv, w, connections)
	if err != nil {
		return err
	}
	requests := s[answered]
	for side, counter := range counters {
		counts, err := counter.read()
		if err != nil {
			return err
		}
		for event, count := range counts {
			to[metricOf(side, event)] = count / requests
		}
	}
	return nil
}

// metricOf an event of perf's.
func metricOf(side, event string) metric {
	if what, ok := tracepoints[event]; ok {
		return of(side, what)
	}
	return call(side, strings.TrimPrefix(event, callEvent))
}

// sides tells the workers, which are behind the front server or have the title of daemon processes, from the rest.
func (s *server) sides() map[string][]process {
	behind := make(map[int]bool)
	if len(s.children) > 1 {
		for _, p := range descendants(allProcesses(), s.children[0].cmd.Process.Pid) {
			behind[p.pid] = true
		}
	}
	found := make(map[string][]process)
	for _, p := range s.processes() {
		side := "front"
		if title, err := os.ReadFile(procFile(p.pid, "cmdline")); behind[p.pid] || err == nil && strings.HasPrefix(string(title), titlePrefix) {
			side = "worker"
		}
		found[side] = append(found[side], p)
	}
	return found
}

// usage is what a side used since its start. CPU is in microseconds.
type usage struct{ cpu, sleeps, preempts float64 }

func (s *server) usage() map[string]usage {
	sums := make(map[string]usage)
	for side, processes := range s.sides() {
		var sum usage
		for _, p := range processes {
			sleeps, preempts := switches(p.pid)
			sum.cpu += micros(p.cpu())
			sum.sleeps += sleeps
			sum.preempts += preempts
		}
		sums[side] = sum
	}
	return sums
}

// switches sums the context switches of a process' threads, which the file of the process itself does not.
func switches(pid int) (voluntary, others float64) {
	files, err := filepath.Glob(procFile(pid, "task/*/status"))
	if err != nil {
		return 0, 0
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has ended
		}
		for line := range strings.Lines(string(data)) {
			var n float64
			if _, err := fmt.Sscanf(line, "voluntary_ctxt_switches: %f", &n); err == nil {
				voluntary += n
			} else if _, err := fmt.Sscanf(line, "nonvoluntary_ctxt_switches: %f", &n); err == nil {
				others += n
			}
		}
	}
	return voluntary, others
}

// writeCalls prints the system calls by name that anybody makes.
func writeCalls(w io.Writer, res *results, load workload, count int) {
	rows := [][]string{{"system calls a request"}}
	var values []sample
	var columns []string
	for _, c := range res.plan.contenders {
		m, ok := res.median(cellKey{c.key, load.key, count})
		for _, side := range sides {
			if _, counted := m[of(side, sideCalls)]; ok && counted {
				rows[0] = append(rows[0], c.key+" "+side)
				values, columns = append(values, m), append(columns, side)
			}
		}
	}
	if len(values) == 0 {
		fmt.Fprintln(w, "\nSystem calls were not counted: that needs perf (Debian: linux-perf) and the kernel's tracepoints, which are for root.")
		return
	}
	for _, name := range namedCalls {
		row := []string{name}
		for i, m := range values {
			row = append(row, fmt.Sprintf("%.2f", m[call(columns[i], name)]))
		}
		if slices.ContainsFunc(row[1:], func(text string) bool { return text != "0.00" }) {
			rows = append(rows, row)
		}
	}
	fmt.Fprintln(w)
	writeRows(w, rows)
}
