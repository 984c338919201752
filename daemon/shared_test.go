package daemon

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestScoreboard(t *testing.T) {
	board, err := NewScoreboard(ScoreboardSize{Groups: 2, Workers: 5})
	require.NoError(t, err)
	defer func() { _ = board.Close() }()
	assert.Equal(t, 2, board.Groups())
	assert.Equal(t, 5, board.Workers())
	w := board.Worker(4)
	require.True(t, w.Begin(7, 3, time.UnixMicro(5)))
	w.SetPID(99)
	w.SetExit(6, 256)
	w.SetExitReason(ExitReload)
	assert.Equal(t, Starting, w.State())
	assert.EqualValues(t, 7, w.Incarnation())
	assert.Equal(t, 99, w.PID())
	incarnation, status := w.Exit()
	assert.EqualValues(t, 6, incarnation)
	assert.Equal(t, 256, status)
	assert.Equal(t, ExitReload, w.ExitReason())
	for i := range 4 {
		assert.Equal(t, Empty, board.Worker(i).State(), "the neighbours are as they were")
	}
}

func TestTransitions(t *testing.T) {
	board, err := NewScoreboard(ScoreboardSize{Groups: 1, Workers: 1})
	require.NoError(t, err)
	w := board.Worker(0)
	for _, step := range []struct {
		to      State
		allowed bool
	}{{Serving, false}, {Dead, false}, {Starting, true}, {Starting, false}, {Serving, true}, {Stale, true}, {Serving, false},
		{Draining, true}, {Stale, false}, {Dead, true}, {Serving, false}, {Starting, true}, {Empty, true}} {
		before := w.State()
		from, changed := w.Transit(step.to)
		assert.Equal(t, before, from)
		assert.Equal(t, step.allowed, changed, "%s to %s", from, step.to)
	}
	assert.Equal(t, "READY", Serving.String())
	assert.Equal(t, "state 9", State(9).String())
}

func TestBumpWakes(t *testing.T) {
	board, err := NewScoreboard(ScoreboardSize{Groups: 1, Workers: 1})
	require.NoError(t, err)
	g := board.Group(0)
	seen := g.Changes()
	var done sync.WaitGroup
	for range 3 {
		done.Add(1)
		go func() {
			defer done.Done()
			g.Wait(seen, time.Minute)
		}()
	}
	time.Sleep(10 * time.Millisecond)
	g.Bump()
	done.Wait()
	assert.Equal(t, seen+1, g.Changes())
	begin := time.Now()
	g.Wait(seen+1, 20*time.Millisecond)
	assert.GreaterOrEqual(t, time.Since(begin), 20*time.Millisecond)
}

// Two processes that map the memory find the same slots, whatever is written there.
func TestMapScoreboard(t *testing.T) {
	fd, err := unix.MemfdCreate("board", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	defer func() { _ = unix.Close(fd) }()
	size := ScoreboardSize{Groups: 2, Workers: 3}
	_, err = MapScoreboard(fd, size)
	assert.ErrorIs(t, err, ErrScoreboard)
	require.NoError(t, unix.Ftruncate(fd, int64(size.bytes())))
	_, err = MapScoreboard(fd, ScoreboardSize{Groups: 2, Workers: 4})
	assert.ErrorIs(t, err, ErrScoreboard)

	one, err := MapScoreboard(fd, size)
	require.NoError(t, err)
	for i := range one.memory {
		one.memory[i] = 0xff
	}
	other, err := MapScoreboard(fd, size)
	require.NoError(t, err)
	for i := range size.Workers {
		other.Worker(i).Reset()
		require.True(t, other.Worker(i).Begin(uint32(i+1), 1, time.Now()))
		assert.Equal(t, Starting, one.Worker(i).State())
		assert.EqualValues(t, i+1, one.Worker(i).Incarnation())
		assert.Zero(t, one.Worker(i).Busy())
	}
	other.Group(1).Bump()
	assert.Zero(t, one.Group(1).Changes())
	assert.EqualValues(t, 1<<32-1, one.Group(0).Changes())
}

func TestMessages(t *testing.T) {
	for text, m := range map[string]Message{
		"ready 3.13.0":             {Verb: Ready, Python: "3.13.0"},
		"drain":                    {Verb: Drain},
		"stop":                     {Verb: Stop},
		"relieve":                  {Verb: Relieve},
		"standby":                  {Verb: Standby},
		"serve":                    {Verb: Serve},
		"retire 2":                 {Verb: Retire, Reason: ExitReload},
		"loaded g\t/a b.wsgi\tapp": {Verb: Loaded, Script: Script{"/a b.wsgi", "g", "app"}},
		"loaded \t/a.wsgi\tapp":    {Verb: Loaded, Script: Script{"/a.wsgi", "", "app"}},
	} {
		assert.Equal(t, text, string(m.Encode()))
		decoded, err := DecodeMessage([]byte(text))
		require.NoError(t, err)
		assert.Equal(t, m, decoded)
	}
	for _, text := range []string{"", "read", "ready", "ready ", "ready now", "retire", "retire x", "retire 0", "retire 99", "retire -1", "loaded",
		"loaded a\tb", "loaded a\tb\tc\td", "\xff\x00"} {
		_, err := DecodeMessage([]byte(text))
		assert.ErrorIs(t, err, ErrMessage, "%q", text)
	}
}

func TestLogLine(t *testing.T) {
	now := time.Date(2026, 11, 2, 14, 7, 29, 488443000, time.UTC)
	assert.Equal(t, "[Mon Nov 02 14:07:29.488443 2026] [gowsgi:error] [pid 7:tid 8] a\\nb \\\\ \\x1b \\xc3\\xa9 \"q\"\n",
		string(formatLine(now, Err, 7, 8, "a\nb \\ \x1b é \"q\"")))
	long := formatLine(now, Trace1+2, 7, 8, strings.Repeat("x", 10000))
	assert.Len(t, long, maxLine)
	assert.True(t, strings.HasSuffix(string(long), "x\n"))
	assert.Contains(t, string(long), "[gowsgi:trace3]")
}

func TestLogger(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	log := NewLogger(int(write.Fd()), Info)
	log.Logf(Debug, "no")
	log.Logf(Info, "yes %d", 1)
	log.Lines(Err, "one\ntwo\n")
	require.NoError(t, write.Close())
	buffer := make([]byte, 1000)
	n, err := read.Read(buffer)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(buffer[:n])), "\n")
	require.Len(t, lines, 3)
	assert.Regexp(t, `^\[\w{3} \w{3} \d\d .*\] \[gowsgi:info\] \[pid \d+:tid \d+\] yes 1$`, lines[0])
	assert.Regexp(t, `\[gowsgi:error\] .*\] two$`, lines[2])
}
