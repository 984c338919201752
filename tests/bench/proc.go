// This file reads what the kernel says about processes: who descends from whom, CPU time, memory.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of times in /proc/<pid>/stat; USER_HZ is 100 on every Linux that Go runs on.
const tick = time.Second / 100

var errProcFormat = errors.New("unexpected format")

// process is a line of /proc/<pid>/stat. pid and started together name a process for ever.
type process struct {
	pid, parent int
	state       byte
	started     uint64
	own         time.Duration // CPU time
	waited      time.Duration // that of its children that ended and were waited for
}

func (p process) cpu() time.Duration { return p.own + p.waited }

// parseStat reads /proc/<pid>/stat. The command in parentheses may itself hold spaces and parentheses.
func parseStat(text string) (process, error) {
	var p process
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return p, fmt.Errorf("stat: %w: no command in parentheses in %.80q", errProcFormat, text)
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 20 {
		return p, fmt.Errorf("stat: %w: %d fields after the command", errProcFormat, len(fields))
	}
	var errs []error
	number := func(s string) uint64 {
		n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 63)
		errs = append(errs, err)
		return n
	}
	p.state = fields[0][0]
	p.pid = int(number(text[:open]))
	p.parent = int(number(fields[1]))
	// utime, stime, cutime, cstime: fields 14 to 17 of proc(5); the state is field 3.
	ticks := func(a, b string) time.Duration { return time.Duration(number(a)+number(b)) * tick }
	p.own, p.waited = ticks(fields[11], fields[12]), ticks(fields[13], fields[14])
	p.started = number(fields[19])
	if err := errors.Join(errs...); err != nil {
		return p, fmt.Errorf("stat: %w: %w", errProcFormat, err)
	}
	return p, nil
}

// parseKB reads "Name:   123 kB" of smaps_rollup and status, in bytes.
func parseKB(text, name string) (int64, error) {
	scanner := bufio.NewScanner(strings.NewReader(text))
	for scanner.Scan() {
		value, ok := strings.CutPrefix(scanner.Text(), name+":")
		if !ok {
			continue
		}
		fields := strings.Fields(value)
		if len(fields) != 2 || fields[1] != "kB" {
			return 0, fmt.Errorf("%s: %w: %q", name, errProcFormat, value)
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		return n << 10, err
	}
	return 0, fmt.Errorf("%w: no line %s", errProcFormat, name)
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

func readProcess(pid int) (process, error) {
	data, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return process{}, err
	}
	p, err := parseStat(string(data))
	if exact, ok := cpuClock(pid); ok && err == nil {
		p.own = exact
	}
	return p, err
}

// cpuClock is the CPU time of a process in nanoseconds: ticks hide what many processes that do little sum up to. The
// number of the clock is what clock_getcpuclockid(3) makes of a pid.
func cpuClock(pid int) (time.Duration, bool) {
	const exact = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|exact), &ts)
	return time.Duration(ts.Nano()), err == nil
}

func (p process) alive() bool {
	now, err := readProcess(p.pid)
	return err == nil && now.started == p.started && now.state != 'Z'
}

// allProcesses lists what runs now; what ends while we look is left out.
func allProcesses() []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var list []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, err := readProcess(pid); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// descendants are the roots and everything below them.
func descendants(all []process, roots ...int) []process {
	in := make(map[int]bool, len(roots))
	for _, pid := range roots {
		in[pid] = true
	}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !in[p.pid] && in[p.parent] {
				in[p.pid], grown = true, true
			}
		}
	}
	var list []process
	for _, p := range all {
		if in[p.pid] {
			list = append(list, p)
		}
	}
	return list
}

// processes are all that serve the contender.
func (s *server) processes() []process {
	var roots []int
	for _, c := range s.children {
		roots = append(roots, c.cmd.Process.Pid)
	}
	if len(roots) == 0 {
		return nil
	}
	return descendants(allProcesses(), roots...)
}

// cpu is the CPU time of all processes since their start. It never falls: the time of a child that ended is its
// parent's.
func (s *server) cpu() time.Duration {
	var sum time.Duration
	for _, p := range s.processes() {
		sum += p.cpu()
	}
	return sum
}

// pss is the memory of all processes, shared pages counted in parts.
func (s *server) pss() (int64, error) { return s.memory("smaps_rollup", "Pss") }

// peakRSS is the sum of the highest resident sizes since resetPeak.
func (s *server) peakRSS() (int64, error) { return s.memory("status", "VmHWM") }

func (s *server) memory(file, name string) (int64, error) {
	var sum int64
	for _, p := range s.processes() {
		data, err := os.ReadFile(procFile(p.pid, file))
		if !p.alive() {
			continue
		}
		if err != nil {
			return 0, err
		}
		n, err := parseKB(string(data), name)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/%s: %w", p.pid, file, err)
		}
		sum += n
	}
	return sum, nil
}

// resetPeak makes each process's peak its present size.
func (s *server) resetPeak() error {
	for _, p := range s.processes() {
		err := os.WriteFile(procFile(p.pid, "clear_refs"), []byte("5"), 0)
		if err != nil && p.alive() {
			return err
		}
	}
	return nil
}
