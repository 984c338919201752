// This file measures many daemon processes that nobody asks anything: what they cost to start, and to have.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	processesOfGroup = 2
	idleFor          = 10 * time.Second
	// settleFor lets what a start leaves to be done later be done, in all contenders alike.
	settleFor = 2 * time.Second
	// startEach is added to the time that a start may take, for each process.
	startEach = 500 * time.Millisecond
)

var kindIdle = kind{
	one: "process", many: "processes", columns: idleColumns, alone: true,
	counts: func(opt options) []int { return opt.processes }, configure: idleGroups, measure: measureIdle,
}

// readyPrefix begins the name of the file that apps/idle.wsgi leaves; its process' number follows.
const readyPrefix = "ready-"

// idleGroups gives each group a script that its processes load when they start.
func idleGroups(v *site, _ workload, processes int) {
	v.Groups, v.Mounts = nil, nil
	v.StartWithin += time.Duration(processes) * startEach
	url := probe
	for i := range processes / processesOfGroup {
		name := fmt.Sprintf("group-%d", i)
		options := fmt.Sprintf("processes=%d threads=%d home=%s/run", processesOfGroup, daemonThreads, v.Dir)
		v.Groups = append(v.Groups, group{name, options, "idle"})
		v.Mounts = append(v.Mounts, mount{url, "idle", " process-group=" + name})
		url = fmt.Sprintf("group-%d", i+1)
	}
}

// measureIdle takes the CPU time of the start when the last process is ready.
func measureIdle(ctx context.Context, _ *bench, srv *server, _ workload, processes int) (sample, error) {
	pids, err := srv.awaitReady(ctx, processes)
	if err != nil {
		return nil, err
	}
	start := srv.cpu()
	if err := pause(ctx, settleFor); err != nil {
		return nil, err
	}
	before := srv.cpu()
	if err := pause(ctx, idleFor); err != nil {
		return nil, err
	}
	idle := srv.cpu() - before
	each, err := srv.pssOf(pids)
	if err != nil {
		return nil, err
	}
	files, err := srv.mostFiles()
	if err != nil {
		return nil, err
	}
	return sample{
		startCPU: start.Seconds(), startCPUEach: millis(start) / float64(processes),
		idleCPU: idle.Seconds(), pssEach: float64(each) / float64(processes) / 1e6, descriptors: float64(files),
	}, nil
}

// awaitReady waits until so many processes have loaded their application.
func (s *server) awaitReady(ctx context.Context, processes int) ([]int, error) {
	deadline := time.Now().Add(s.site.StartWithin)
	for {
		pids, err := s.readyProcesses()
		if err != nil {
			return nil, err
		}
		if len(pids) == processes {
			return pids, nil
		}
		if len(pids) > processes || time.Now().After(deadline) {
			return nil, fmt.Errorf("%d processes became ready within %s, not %d", len(pids), s.site.StartWithin, processes)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func (s *server) readyProcesses() ([]int, error) {
	names, err := filepath.Glob(filepath.Join(s.site.Dir, "run", readyPrefix+"*"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(name), readyPrefix))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// pssOf sums the memory of processes that must live.
func (s *server) pssOf(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		data, err := os.ReadFile(procFile(pid, "smaps_rollup"))
		if err != nil {
			return 0, fmt.Errorf("a process that was ready is gone: %w", err)
		}
		n, err := parseKB(string(data), "Pss")
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/smaps_rollup: %w", pid, err)
		}
		sum += n
	}
	return sum, nil
}

// mostFiles is the largest number of open descriptors of a process.
func (s *server) mostFiles() (int, error) {
	most := 0
	for _, p := range s.processes() {
		files, err := os.ReadDir(procFile(p.pid, "fd"))
		if err != nil && p.alive() {
			return 0, err
		}
		most = max(most, len(files))
	}
	return most, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
