package tests

import (
	"fmt"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about what a process may use of the machine: cpu-time-limit, cpu-priority, memory-limit, virtual-memory-limit; and about
// restart-interval and eviction-timeout.

// The request that passes the limit finishes, and the process is replaced.
func TestDaemonCPUTimeLimit(t *testing.T) {
	t.Parallel()
	s := startWith(t, "cpu-time-limit=2")
	pid := answeredBy(t, s, "/main/spend/time?0")
	assert.Equal(t, pid, answeredBy(t, s, "/main/spend/time?3"))
	awaitOther(t, s, pid)
	s.WaitLog(`the time of processors is used up \(cpu-time-limit\): this process of group 'options' is replaced`)
	s.WaitLog(fmt.Sprintf(`worker %d of process group 'options' ended with exit status 0, .* because of cpu-time-limit`, pid))
}

// A process that needs more than that to start is not ended before it has served.
func TestDaemonCPUTimeLimitAtStart(t *testing.T) {
	t.Parallel()
	script := publicDir(t) + "/slow.py"
	// The kernel says so at each full second. The process begins to serve between two of them.
	writeFile(t, script, "import time\nwhile time.process_time() < 2.4:\n    pass\n")
	s := harness.Start(t, harness.Config{Conf: optionsConf("cpu-time-limit=1") +
		"WSGIImportScript " + script + " process-group=options application-group=%{GLOBAL}"})
	pid := answeredBy(t, s, "/main/gil")
	s.WaitLog(fmt.Sprintf(`worker %d of process group 'options' is ready`, pid))
	assert.Equal(t, pid, answeredBy(t, s, "/main/spend/time?3"))
	awaitOther(t, s, pid)
}

// Every thread has it. Only root can go before others.
func TestDaemonCPUPriority(t *testing.T) {
	t.Parallel()
	own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	require.NoError(t, err)
	own = 20 - own // as the system call has it
	priorities := map[string]int{"": own, "cpu-priority=0": own, "cpu-priority=19": 19}
	if os.Geteuid() == 0 {
		priorities["cpu-priority=-5"] = -5
	} else {
		priorities["cpu-priority=-5"] = own
	}
	for options, want := range priorities {
		s := startWith(t, options)
		assert.Equal(t, []int{want}, ask[inside](t, s, "/main/inside").Niceness, options)
	}
}

// The application gets MemoryError, and the process goes on.
func TestDaemonMemoryLimits(t *testing.T) {
	t.Parallel()
	const unlimited = -1
	assert.Equal(t, map[string]int{"CPU": unlimited, "DATA": unlimited, "AS": unlimited}, insideOf(t, "").Limits)
	for option, resource := range map[string]string{"memory-limit": "DATA", "virtual-memory-limit": "AS"} {
		const limit = 4 << 30
		s := startWith(t, fmt.Sprintf("threads=4 %s=%d", option, limit))
		got := ask[inside](t, s, "/main/inside")
		assert.GreaterOrEqual(t, got.Limits[resource], limit)
		assert.Less(t, got.Limits[resource], 2*limit)
		s.ExpectTraceback(`MemoryError`)
		s.Expect(`GWSGI0601: `)
		assert.Equal(t, http.StatusInternalServerError, s.Get(fmt.Sprintf("/main/spend/memory?%d", limit)).Status)
		assert.Equal(t, got.PID, answeredBy(t, s, "/main/spend/memory?1000"))
	}
}

// A process with the threads that groups have by default can do with little.
func TestDaemonSmallMemoryLimits(t *testing.T) {
	t.Parallel()
	for _, option := range []string{"memory-limit=268435456", "virtual-memory-limit=536870912"} {
		s := harness.Start(t, harness.Config{Conf: optionsConf(option)})
		answeredBy(t, s, "/main/gil")
		answeredBy(t, s, "/sub/gil")
	}
}

// Processes are replaced again and again, by ones that are ready before, so that no request notices.
func TestDaemonRestartInterval(t *testing.T) {
	t.Parallel()
	s := startWith(t, "restart-interval=1 processes=2")
	seen := map[string]bool{}
	end := time.Now().Add(30 * time.Second)
	for len(seen) < 6 && time.Now().Before(end) {
		got := s.Get("/main/gil")
		require.Equal(t, http.StatusOK, got.Status)
		seen[got.Body] = true
	}
	assert.GreaterOrEqual(t, len(seen), 6)
	s.WaitLog(`worker \d+ of process group 'options' is replaced because of restart-interval`)
	s.WaitLog(`ended with exit status 0, .* because of restart-interval`)
}

// A process that is told to go by a signal has a time of its own for its requests.
func TestDaemonEvictionTimeout(t *testing.T) {
	t.Parallel()
	s := startWith(t, "eviction-timeout=1 graceful-timeout=60")
	s.Expect(`GWSGI1023: 1 requests still run 1s after this process of group 'options' began to end because of a signal \(eviction-timeout\)`,
		`GWSGI1113: process \d+ .* 502`)
	s.Allow(`running for [\d.]+ s on thread \d+: .*/main/gate`)
	stuck, pid := enter(t, s, "stuck")
	require.NoError(t, syscall.Kill(pid, syscall.SIGUSR1))
	assert.Equal(t, http.StatusBadGateway, stuck.wait(t).Status)
	awaitOther(t, s, pid)
}
