// This file tests the reading of /proc.
package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const statLine = "4242 (%s) S 77 4242 4242 0 -1 4194560 2345 678 0 0 150 50 30 20 20 0 27 0 987654 123456789 2345 " +
	"18446744073709551615 1 1 0 0 0 0 0 0 16384 0 0 0 17 1 0 0 0 0 0\n"

func stat(command string) string {
	return "4242 (" + command + statLine[len("4242 (%s"):]
}

func TestParseStat(t *testing.T) {
	for _, command := range []string{"apache2", "(wsgi:bench) x", "a b) S 1 2 (", ""} {
		p, err := parseStat(stat(command))
		require.NoError(t, err, command)
		assert.Equal(t, process{pid: 4242, parent: 77, state: 'S', started: 987654, own: 2 * time.Second, waited: 500 * time.Millisecond}, p, command)
	}
}

func TestParseStatRefusesTheUnexpected(t *testing.T) {
	for _, text := range []string{"", "4242", "4242 (apache2", ") (", "4242 (apache2) S 77 1 1", "x" + stat("apache2")} {
		_, err := parseStat(text)
		assert.ErrorIs(t, err, errProcFormat, text)
	}
}

func TestParseKB(t *testing.T) {
	const text = "Rss:                2048 kB\nPss:                1024 kB\nPss_Dirty:           512 kB\n"
	n, err := parseKB(text, "Pss")
	require.NoError(t, err)
	assert.Equal(t, int64(1<<20), n)

	_, err = parseKB(text, "VmHWM")
	assert.ErrorIs(t, err, errProcFormat)
	_, err = parseKB("Pss: 12 MB\n", "Pss")
	assert.ErrorIs(t, err, errProcFormat)
	_, err = parseKB("Pss: many kB\n", "Pss")
	assert.Error(t, err)
}

func TestDescendants(t *testing.T) {
	// Listed so that a grandchild comes before its parent.
	all := []process{{pid: 30, parent: 20}, {pid: 20, parent: 10}, {pid: 10, parent: 1}, {pid: 11, parent: 1}, {pid: 50, parent: 40}, {pid: 40, parent: 1}}
	var pids []int
	for _, p := range descendants(all, 10, 40) {
		pids = append(pids, p.pid)
	}
	assert.ElementsMatch(t, []int{10, 20, 30, 40, 50}, pids)
	assert.Empty(t, descendants(all))
}

func TestOwnProcess(t *testing.T) {
	p, err := readProcess(os.Getpid())
	require.NoError(t, err)
	assert.Equal(t, os.Getppid(), p.parent)
	assert.True(t, p.alive())

	for spun := time.Now(); time.Since(spun) < 20*time.Millisecond; {
	}
	later, err := readProcess(os.Getpid())
	require.NoError(t, err)
	assert.Greater(t, later.cpu(), p.cpu())

	p.started++
	assert.False(t, p.alive(), "another process with the same pid")
}

// The clock and the ticks of stat are of one process.
func TestCPUClock(t *testing.T) {
	exact, ok := cpuClock(os.Getpid())
	require.True(t, ok)
	data, err := os.ReadFile(procFile(os.Getpid(), "stat"))
	require.NoError(t, err)
	p, err := parseStat(string(data))
	require.NoError(t, err)
	assert.InDelta(t, p.own.Seconds(), exact.Seconds(), 0.1)
	_, ok = cpuClock(1 << 22)
	assert.False(t, ok)
}
