// This file tests what is counted for profiles, and their tables.
package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParsePerf(t *testing.T) {
	counts, err := parsePerf("Events disabled\n9482,,raw_syscalls:sys_enter,16283920,100.00,,\n<not counted>,,syscalls:sys_enter_poll,0,100.00,,\n")
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"raw_syscalls:sys_enter": 9482, "syscalls:sys_enter_poll": 0}, counts)
	for _, out := range []string{"", "Error: no permission\n", "<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n"} {
		_, err := parsePerf(out)
		assert.ErrorIs(t, err, errPerf, out)
	}
	assert.Equal(t, of("front", sideCalls), metricOf("front", "raw_syscalls:sys_enter"))
	assert.Equal(t, call("worker", "poll"), metricOf("worker", "syscalls:sys_enter_poll"))
}

// perf counts from when it says so until it is read.
func TestPerf(t *testing.T) {
	program := findPerf()
	if program == "" {
		t.Skip("perf is not there, or may not use tracepoints")
	}
	self, err := readProcess(os.Getpid())
	require.NoError(t, err)
	counter, err := startPerf(program, []process{self})
	require.NoError(t, err)
	defer counter.end()
	for range 100 {
		_, err := os.Stat("/")
		require.NoError(t, err)
	}
	counts, err := counter.read()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, counts["raw_syscalls:sys_enter"], 100.0)

	_, err = startPerf(program, []process{{pid: 1 << 22}})
	assert.ErrorIs(t, err, errPerf)
}

func TestSwitches(t *testing.T) {
	before, _ := switches(os.Getpid())
	for range 5 {
		time.Sleep(time.Millisecond)
	}
	after, _ := switches(os.Getpid())
	assert.Greater(t, after, before)
	none, _ := switches(1 << 22)
	assert.Zero(t, none)
}

// What is behind the front server, and what has the title of daemon processes, are workers.
func TestSides(t *testing.T) {
	start := func(name string, args ...string) *child {
		cmd := exec.Command("sleep", args...)
		cmd.Args[0] = name
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return &child{cmd: cmd}
	}
	behind, front, titled := start("uwsgi", "60"), start("httpd", "60"), start("(wsgi:bench)", "60")
	pids := func(list []process) []int {
		var pids []int
		for _, p := range list {
			pids = append(pids, p.pid)
		}
		return pids
	}
	found := (&server{children: []*child{behind, front}}).sides()
	assert.Equal(t, []int{behind.cmd.Process.Pid}, pids(found["worker"]))
	assert.Equal(t, []int{front.cmd.Process.Pid}, pids(found["front"]))
	found = (&server{children: []*child{titled}}).sides()
	assert.Equal(t, []int{titled.cmd.Process.Pid}, pids(found["worker"]))
}

func TestWriteCalls(t *testing.T) {
	p := plan{mode: modeNamed(modeProfile), contenders: contenders(options{}, tools{}), workloads: profiles()}
	r := &results{plan: p, samples: make(map[cellKey][]measured)}
	key := cellKey{"gowsgi-daemon", "hello", 16}
	r.add(key, sample{rate: 1000, of("front", sideCPU): 40})
	var out strings.Builder
	report{r, nil}.print(&out)
	assert.Contains(t, out.String(), "System calls were not counted")

	r.samples[key][0].Values[of("front", sideCalls)] = 3
	r.samples[key][0].Values[call("front", "futex")] = 2
	r.samples[key][0].Values[call("front", "poll")] = 0
	out.Reset()
	report{r, nil}.print(&out)
	assert.Regexp(t, `\| futex +\| +2.00 \|`, out.String())
	assert.NotContains(t, out.String(), "| poll")
	assert.NotContains(t, out.String(), "Targets")
}
