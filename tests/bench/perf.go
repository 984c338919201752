// This file runs perf, which counts events of processes in the kernel, and reads what it prints.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// callEvent begins the name of the event of a system call.
const callEvent = "syscalls:sys_enter_"

// perf counts from its start until read.
type perf struct {
	cmd         *exec.Cmd
	out         bytes.Buffer
	control     *os.File // takes commands
	acknowledge *bufio.Reader
	files       []*os.File
}

var errPerf = errors.New("perf did not do what was expected")

const tracing = "/sys/kernel/tracing/events"

// findPerf is empty where perf is not there or may not use the kernel's tracepoints.
func findPerf() string {
	program, err := exec.LookPath("perf")
	if err != nil || !hasEvent("raw_syscalls:sys_enter") {
		return ""
	}
	return program
}

// hasEvent tells whether this kernel has a tracepoint: some have no system calls of older names.
func hasEvent(name string) bool {
	_, err := os.Stat(filepath.Join(tracing, strings.ReplaceAll(name, ":", "/")))
	return err == nil
}

func perfEvents() []string {
	var events []string
	for event := range tracepoints {
		events = append(events, event)
	}
	slices.Sort(events)
	for _, name := range namedCalls {
		if hasEvent(callEvent + name) {
			events = append(events, callEvent+name)
		}
	}
	return events
}

// startPerf returns when all threads of the processes are counted. The caller must end it.
func startPerf(program string, processes []process) (*perf, error) {
	var pids []string
	for _, p := range processes {
		pids = append(pids, strconv.Itoa(p.pid))
	}
	p := &perf{}
	theirControl, control, err1 := os.Pipe()
	acknowledge, theirAcknowledge, err2 := os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	p.control, p.acknowledge = control, bufio.NewReader(acknowledge)
	p.files = []*os.File{control, acknowledge}
	// In the child, ExtraFiles begin at 3. -D -1: not before it is told to.
	p.cmd = exec.Command(program, "stat", "-x,", "-D", "-1", "--control", "fd:3,4",
		"-e", strings.Join(perfEvents(), ","), "-p", strings.Join(pids, ","))
	p.cmd.ExtraFiles = []*os.File{theirControl, theirAcknowledge}
	p.cmd.Stderr = &p.out
	detach(p.cmd)
	err := p.cmd.Start()
	theirControl.Close()
	theirAcknowledge.Close()
	if err == nil {
		err = p.tell("enable")
	}
	if err != nil {
		p.end()
		return nil, fmt.Errorf("%w: %w: %s", errPerf, err, p.out.String())
	}
	return p, nil
}

// tell waits until perf has done it.
func (p *perf) tell(command string) error {
	if _, err := fmt.Fprintln(p.control, command); err != nil {
		return err
	}
	_, err := p.acknowledge.ReadString('\n')
	return err
}

// read ends the counting.
func (p *perf) read() (map[string]float64, error) {
	if err := p.tell("disable"); err != nil {
		return nil, fmt.Errorf("%w: %w", errPerf, err)
	}
	p.end()
	return parsePerf(p.out.String())
}

// end may be called again.
func (p *perf) end() {
	if p.cmd.Process != nil && p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGINT) // it may have ended already
		_ = p.cmd.Wait()                         // SIGINT is how it ends
	}
	for _, file := range p.files {
		file.Close()
	}
}

// parsePerf reads the lines of `perf stat -x,`: count,unit,event,…
func parsePerf(out string) (map[string]float64, error) {
	counts := make(map[string]float64)
	for line := range strings.Lines(out) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) < 3 {
			continue
		}
		if fields[0] == "<not counted>" { // nothing of it happened
			counts[fields[2]] = 0
			continue
		}
		n, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return nil, fmt.Errorf("%w: %q", errPerf, line)
		}
		counts[fields[2]] = n
	}
	if len(counts) == 0 {
		return nil, fmt.Errorf("%w: it printed no counts: %.200q", errPerf, out)
	}
	return counts, nil
}
