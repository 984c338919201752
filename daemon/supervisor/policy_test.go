package supervisor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// rig is a supervisor over processes that do not exist and a clock that stands still.
type rig struct {
	*supervisor
	t       *testing.T
	board   *daemon.Scoreboard
	clock   time.Time
	started []*fake
	refuse  error // what Start answers
	logFile string
}

// fake is a process.
type fake struct {
	order
	pid      int
	sent     []daemon.Verb
	killed   bool
	released bool
}

func (f *fake) PID() int { return f.pid }
func (f *fake) Send(m daemon.Message) error {
	f.sent = append(f.sent, m.Verb)
	return nil
}
func (f *fake) Kill()    { f.killed = true }
func (f *fake) Release() { f.released = true }

func (r *rig) Start(o order) (process, error) {
	if r.refuse != nil {
		return nil, r.refuse
	}
	f := &fake{order: o, pid: 1000 + len(r.started)}
	r.started = append(r.started, f)
	return f, nil
}

func newRig(t *testing.T, change func(*daemon.Group)) *rig {
	g := &daemon.Group{Name: "blog", SlotCount: 4, Processes: 2, Threads: 3, LogLevel: daemon.Debug, Options: daemon.Options{
		GracefulTimeout: 15 * time.Second, ShutdownTimeout: 5 * time.Second}}
	if change != nil {
		change(g)
	}
	r := &rig{t: t, clock: time.Unix(1_000_000, 0), logFile: filepath.Join(t.TempDir(), "log")}
	log, err := os.Create(r.logFile)
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	g.LogFD = int(log.Fd())
	r.board, err = daemon.NewScoreboard(daemon.ScoreboardSize{Groups: 1, Workers: g.SlotCount})
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.board.Close() })
	r.supervisor, err = newSupervisor(&daemon.Config{Groups: []*daemon.Group{g}}, r.board, daemon.NewLogger(g.LogFD, daemon.Debug), r,
		func() time.Time { return r.clock })
	require.NoError(t, err)
	r.advance()
	return r
}

// pass lets time go by, as the loop would: from one thing due to the next.
func (r *rig) pass(d time.Duration) {
	end := r.clock.Add(d)
	for {
		next := r.advance()
		if next.IsZero() || next.After(end) {
			break
		}
		require.True(r.t, next.After(r.clock), "the loop would spin")
		r.clock = next
	}
	r.clock = end
	r.advance()
}

func (r *rig) says(f *fake, m daemon.Message) {
	if m.Verb == daemon.Ready {
		_, ok := r.board.Worker(f.slot).Transit(daemon.Serving)
		require.True(r.t, ok)
	}
	r.message(f.worker, m)
	r.advance()
}

func (r *rig) allReady() {
	for _, f := range r.started {
		if f.worker.phase == starting {
			r.says(f, daemon.Message{Verb: daemon.Ready})
		}
	}
}

func (r *rig) ends(f *fake, status syscall.WaitStatus) {
	r.exited(f.worker, status)
	r.advance()
}

func (r *rig) retires(f *fake, reason daemon.ExitReason) {
	r.board.Worker(f.slot).Transit(daemon.Stale)
	r.says(f, daemon.Message{Verb: daemon.Retire, Reason: reason})
}

func (r *rig) state(f *fake) daemon.State {
	return r.board.Worker(f.slot).State()
}

func (r *rig) logged() string {
	text, err := os.ReadFile(r.logFile)
	require.NoError(r.t, err)
	return string(text)
}

// codes are those logged, each once, in order.
func (r *rig) codes() []string {
	var codes []string
	for line := range strings.SplitSeq(r.logged(), "\n") {
		if at := strings.Index(line, "GWSGI"); at >= 0 {
			if code := line[at : at+9]; len(codes) == 0 || codes[len(codes)-1] != code {
				codes = append(codes, code)
			}
		}
	}
	return codes
}

const (
	exit0   = syscall.WaitStatus(0)
	exit1   = syscall.WaitStatus(1 << 8)
	segv    = syscall.WaitStatus(11)
	kill9   = syscall.WaitStatus(9)
	sigterm = syscall.WaitStatus(15)
)

func TestStatusInWords(t *testing.T) {
	for status, words := range map[syscall.WaitStatus]string{
		exit0:       "exit status 0",
		exit1:       "exit status 1",
		kill9:       "signal 9 (SIGKILL)",
		segv | 0x80: "signal 11 (SIGSEGV), core dumped",
		40:          "signal 40",
	} {
		assert.Equal(t, words, describeStatus(status))
	}
}

var oneProcess = func(g *daemon.Group) { g.Processes, g.SlotCount = 1, 2 }

func TestStartsAllProcesses(t *testing.T) {
	r := newRig(t, nil)
	require.Len(t, r.started, 2)
	for i, f := range r.started {
		assert.Equal(t, i, f.slot)
		assert.EqualValues(t, 1, f.number)
		assert.Equal(t, daemon.Starting, r.state(f))
		assert.Equal(t, f.pid, r.board.Worker(f.slot).PID())
	}
	r.allReady()
	r.pass(time.Hour)
	assert.Len(t, r.started, 2)
	assert.Empty(t, r.codes())
	assert.Zero(t, r.board.Group(0).Restarts())
}

// The status of a process is there before those who wait are woken, and a new one is started at once.
func TestDeathIsRecordedAndReplaced(t *testing.T) {
	r := newRig(t, oneProcess)
	r.allReady()
	r.pass(time.Minute)
	seen := r.board.Group(0).Changes()
	first := r.started[0]
	r.exited(first.worker, segv)
	incarnation, status := r.board.Worker(0).Exit()
	assert.EqualValues(t, 1, incarnation)
	assert.EqualValues(t, segv, status)
	assert.Equal(t, daemon.Dead, r.state(first))
	assert.Equal(t, daemon.ExitCrash, r.board.Worker(0).ExitReason())
	assert.Greater(t, r.board.Group(0).Changes(), seen)
	assert.True(t, first.released)
	r.advance()
	require.Len(t, r.started, 2)
	assert.Equal(t, 1, r.started[1].slot, "the slot that was free for longest")
	assert.EqualValues(t, 1, r.board.Group(0).Restarts())
	assert.Equal(t, []string{"GWSGI0902"}, r.codes())
	assert.Contains(t, r.logged(), "worker 1000 of process group 'blog' ended with signal 11 (SIGSEGV), 1m0s after its start")
}

func TestIncarnationsRise(t *testing.T) {
	r := newRig(t, func(g *daemon.Group) { g.Processes, g.SlotCount = 1, 1 })
	for i := range 3 {
		assert.EqualValues(t, i+1, r.started[i].number)
		r.allReady()
		r.pass(time.Minute)
		r.ends(r.started[i], kill9)
	}
}

// No socket's name comes twice, whatever a worker writes into the scoreboard.
func TestIncarnationsAreNotReadBack(t *testing.T) {
	r := newRig(t, oneProcess)
	names := map[[2]int]bool{}
	for range 6 {
		f := r.started[len(r.started)-1]
		name := [2]int{f.slot, int(f.number)}
		assert.False(t, names[name], "slot and number %v", name)
		names[name] = true
		r.board.Worker(f.slot).Reset()
		r.board.Worker(f.slot).Begin(1<<32-1, 1, r.clock)
		r.ends(f, 0)
		r.pass(time.Minute)
	}
}

// A process that dies at once is started again with growing delays, and never in a loop.
func TestBackOff(t *testing.T) {
	r := newRig(t, oneProcess)
	for i, delay := range []time.Duration{0, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
		16 * time.Second, 30 * time.Second, 30 * time.Second} {
		r.ends(r.started[i], exit1)
		if delay > 0 {
			require.Len(t, r.started, i+1)
			r.pass(delay - time.Millisecond)
			require.Len(t, r.started, i+1, "too early")
			r.pass(time.Millisecond)
		}
		require.Len(t, r.started, i+2)
	}
	assert.Equal(t, []string{"GWSGI0903"}, r.codes())
	assert.Contains(t, r.logged(), "A new one is started in 8s")

	r.allReady()
	r.pass(wellAfter)
	n := len(r.started)
	r.ends(r.started[n-1], kill9)
	assert.Len(t, r.started, n+1, "it did well: no delay")
}

func TestDeathSoonAfterReadyCounts(t *testing.T) {
	r := newRig(t, oneProcess)
	r.allReady()
	r.ends(r.started[0], exit0)
	require.Len(t, r.started, 2)
	r.allReady()
	r.pass(wellAfter - time.Second)
	r.ends(r.started[1], exit0)
	require.Len(t, r.started, 2)
	r.pass(500 * time.Millisecond)
	assert.Len(t, r.started, 3)
}

func TestProcessThatCannotBeStarted(t *testing.T) {
	r := newRig(t, oneProcess)
	r.refuse = errors.New("no such folder")
	r.ends(r.started[0], exit1)
	assert.Equal(t, daemon.Dead, r.board.Worker(1).State())
	r.pass(10 * time.Second)
	assert.Contains(t, r.codes(), "GWSGI0904")
	assert.Contains(t, r.logged(), "cannot be started: no such folder")
	assert.Less(t, strings.Count(r.logged(), "GWSGI0904"), 8)
	r.refuse = nil
	r.pass(30 * time.Second)
	assert.Len(t, r.started, 2)
}

// The old one is told to finish when the new one is ready, and not before.
func TestReplacementStartsBeforeStop(t *testing.T) {
	r := newRig(t, oneProcess)
	r.allReady()
	old := r.started[0]
	r.says(old, daemon.Message{Verb: daemon.Loaded, Script: daemon.Script{Path: "/a.wsgi", Callable: "application"}})
	r.retires(old, daemon.ExitReload)
	require.Len(t, r.started, 2)
	assert.Equal(t, []daemon.Script{{Path: "/a.wsgi", Callable: "application"}}, r.started[1].preloads)
	r.pass(time.Minute)
	assert.Empty(t, old.sent)
	r.allReady()
	assert.Equal(t, []daemon.Verb{daemon.Drain}, old.sent)
	assert.Equal(t, daemon.Draining, r.state(old))
	assert.Equal(t, daemon.ExitReload, r.board.Worker(old.slot).ExitReason())
	r.ends(old, exit0)
	assert.Equal(t, daemon.Empty, r.state(old))
	assert.Len(t, r.started, 2)
	assert.Empty(t, r.codes())
}

// What replaces an idle process is as small as a first one; what replaces that for another reason is not.
func TestReplacementOfAnIdleOneLoadsNothing(t *testing.T) {
	r := newRig(t, oneProcess)
	r.allReady()
	r.says(r.started[0], daemon.Message{Verb: daemon.Loaded, Script: daemon.Script{Path: "/a.wsgi", Callable: "application"}})
	r.retires(r.started[0], daemon.ExitInactivity)
	require.Len(t, r.started, 2)
	assert.Empty(t, r.started[1].preloads)
	r.ends(r.started[1], exit1)
	require.Len(t, r.started, 3)
	assert.Empty(t, r.started[2].preloads, "the idle one is waiting still")
	r.allReady()
	r.ends(r.started[0], exit0)
	r.retires(r.started[2], daemon.ExitMaximumRequests)
	require.Len(t, r.started, 4)
	assert.NotEmpty(t, r.started[3].preloads)
}

func TestReloadReplacesOneAtATime(t *testing.T) {
	r := newRig(t, nil)
	r.allReady()
	r.retires(r.started[0], daemon.ExitReload)
	r.retires(r.started[1], daemon.ExitReload)
	require.Len(t, r.started, 3)
	r.pass(time.Minute)
	require.Len(t, r.started, 3)
	r.says(r.started[2], daemon.Message{Verb: daemon.Ready})
	require.Len(t, r.started, 4)
	assert.Empty(t, r.started[1].sent)
	r.says(r.started[3], daemon.Message{Verb: daemon.Ready})
	assert.Equal(t, []daemon.Verb{daemon.Drain}, r.started[1].sent)
}

// Each of them serves until its replacement is ready, which the next one's waits for.
func TestRestartInterval(t *testing.T) {
	r := newRig(t, func(g *daemon.Group) { g.Options.RestartInterval = time.Minute })
	r.allReady()
	r.pass(time.Minute - time.Second)
	require.Len(t, r.started, 2)
	r.pass(time.Second)
	require.Len(t, r.started, 3)
	assert.Equal(t, daemon.Serving, r.state(r.started[0]))
	assert.Empty(t, r.started[0].sent)
	r.says(r.started[2], daemon.Message{Verb: daemon.Ready})
	assert.Equal(t, []daemon.Verb{daemon.Drain}, r.started[0].sent)
	assert.Equal(t, daemon.ExitInterval, r.board.Worker(r.started[0].slot).ExitReason())
	require.Len(t, r.started, 4)
	assert.Equal(t, daemon.Serving, r.state(r.started[1]))
	r.says(r.started[3], daemon.Message{Verb: daemon.Ready})
	r.ends(r.started[0], 0)
	r.ends(r.started[1], 0)
	r.pass(time.Minute - time.Second)
	assert.Len(t, r.started, 4)
	r.pass(time.Second)
	assert.Len(t, r.started, 5)
	assert.Empty(t, r.codes())
}

func TestMaximumRequestsOfAllAtOnce(t *testing.T) {
	r := newRig(t, nil)
	r.allReady()
	r.retires(r.started[0], daemon.ExitMaximumRequests)
	r.retires(r.started[1], daemon.ExitMaximumRequests)
	require.Len(t, r.started, 4, "none of them takes requests, so nothing is to be gained by waiting")
	r.allReady()
	for _, old := range r.started[:2] {
		assert.Equal(t, []daemon.Verb{daemon.Drain}, old.sent)
		r.ends(old, exit0)
	}
	assert.Len(t, r.started, 4)
	assert.Empty(t, r.codes())
}

func TestReplacementThatDies(t *testing.T) {
	r := newRig(t, oneProcess)
	r.allReady()
	old := r.started[0]
	r.says(old, daemon.Message{Verb: daemon.Loaded, Script: daemon.Script{Path: "/a.wsgi"}})
	r.retires(old, daemon.ExitReload)
	r.ends(r.started[1], exit1)
	r.ends(r.started[2], exit1)
	assert.Equal(t, []string{"GWSGI0903"}, r.codes())
	assert.Empty(t, old.sent, "the old one stays")
	assert.Equal(t, daemon.Stale, r.state(old))
	require.Len(t, r.started, 3)
	r.pass(time.Second)
	require.Len(t, r.started, 4)
	assert.Empty(t, r.started[3].preloads, "what it would load may be what kills it")
	r.allReady()
	assert.Equal(t, []daemon.Verb{daemon.Drain}, old.sent)
}

func TestOldOneDiesBeforeItsReplacementIsReady(t *testing.T) {
	r := newRig(t, oneProcess)
	r.allReady()
	r.retires(r.started[0], daemon.ExitReload)
	r.ends(r.started[0], segv)
	r.allReady()
	r.pass(time.Minute)
	assert.Len(t, r.started, 2)
	assert.Equal(t, daemon.Serving, r.state(r.started[1]))
}

// A worker that asks to be replaced and goes at once cannot make a loop of it.
func TestRetireAndExitIsNoLoop(t *testing.T) {
	r := newRig(t, oneProcess)
	for range 50 {
		f := r.started[len(r.started)-1]
		r.board.Worker(f.slot).SetExitReason(daemon.ExitReload)
		r.message(f.worker, daemon.Message{Verb: daemon.Retire, Reason: daemon.ExitReload})
		r.exited(f.worker, exit0)
		r.pass(time.Second)
	}
	assert.Less(t, len(r.started), 12)
}

func TestNoFreeSlot(t *testing.T) {
	r := newRig(t, oneProcess)
	r.allReady()
	r.retires(r.started[0], daemon.ExitReload)
	r.allReady()
	r.retires(r.started[1], daemon.ExitReload)
	require.Len(t, r.started, 2)
	assert.Equal(t, 1, strings.Count(r.logged(), "cannot start a replacement yet"))
	r.ends(r.started[0], exit0)
	assert.Len(t, r.started, 3)
}

func TestStartupTimeout(t *testing.T) {
	r := newRig(t, func(g *daemon.Group) { oneProcess(g); g.Options.StartupTimeout = 10 * time.Second })
	r.pass(10 * time.Second)
	assert.False(t, r.started[0].killed, "it may end itself and log why")
	r.pass(startGrace)
	require.True(t, r.started[0].killed)
	r.ends(r.started[0], kill9)
	assert.Equal(t, []string{"GWSGI0905"}, r.codes())
	assert.Equal(t, daemon.ExitStartupTimeout, r.board.Worker(0).ExitReason())
	require.Len(t, r.started, 2)
	r.allReady()
	r.pass(time.Hour)
	assert.Len(t, r.started, 2)
}

func TestDrainThatIsNotObeyed(t *testing.T) {
	r := newRig(t, oneProcess)
	r.allReady()
	old := r.started[0]
	r.retires(old, daemon.ExitMaximumRequests)
	r.allReady()
	r.pass(20 * time.Second)
	assert.False(t, old.killed)
	r.pass(grace)
	assert.True(t, old.killed)
	r.ends(old, kill9)
	assert.Equal(t, []string{"GWSGI0907"}, r.codes())
	assert.Equal(t, daemon.Empty, r.state(old))
}

func TestNoGracefulTimeoutIsNoLimit(t *testing.T) {
	r := newRig(t, func(g *daemon.Group) { oneProcess(g); g.Options.GracefulTimeout = 0 })
	r.allReady()
	r.retires(r.started[0], daemon.ExitMaximumRequests)
	r.allReady()
	r.pass(24 * time.Hour)
	assert.False(t, r.started[0].killed)
}

func TestCrashWhileDraining(t *testing.T) {
	r := newRig(t, oneProcess)
	r.allReady()
	r.retires(r.started[0], daemon.ExitReload)
	r.allReady()
	r.ends(r.started[0], segv)
	assert.Equal(t, []string{"GWSGI0908"}, r.codes())
	assert.Len(t, r.started, 2)
}

// The worker has logged why it ends: the supervisor adds nothing that alarms.
func TestWorkerThatEndsItself(t *testing.T) {
	for _, reason := range []daemon.ExitReason{daemon.ExitDeadlock, daemon.ExitRequestTimeout, daemon.ExitSignal, daemon.ExitInactivity} {
		r := newRig(t, oneProcess)
		r.allReady()
		r.pass(time.Minute)
		r.board.Worker(0).SetExitReason(reason)
		r.ends(r.started[0], exit1)
		assert.Len(t, r.started, 2)
		assert.Empty(t, r.codes())
		assert.Contains(t, r.logged(), "because of "+reason.String())
		assert.Equal(t, reason, r.board.Worker(0).ExitReason())
	}
}

func TestLeaseEnd(t *testing.T) {
	r := newRig(t, nil)
	r.allReady()
	r.retires(r.started[0], daemon.ExitReload) // a replacement is on the way
	r.leaseEnd()
	r.advance()
	for _, f := range r.started {
		assert.Equal(t, []daemon.Verb{daemon.Drain}, f.sent)
		assert.Equal(t, daemon.Draining, r.state(f))
	}
	assert.False(t, r.finished())
	for _, f := range r.started {
		r.ends(f, exit0)
	}
	assert.True(t, r.finished())
	assert.Len(t, r.started, 3)
	assert.Empty(t, r.codes())
}

func TestTerminateIsBounded(t *testing.T) {
	r := newRig(t, nil)
	r.says(r.started[0], daemon.Message{Verb: daemon.Ready})
	r.leaseEnd()
	r.terminate()
	r.terminate()
	assert.Equal(t, []daemon.Verb{daemon.Drain, daemon.Stop}, r.started[0].sent)
	r.ends(r.started[0], sigterm)
	r.pass(daemon.StopTimeout - time.Millisecond)
	assert.False(t, r.started[1].killed)
	r.pass(time.Millisecond)
	assert.True(t, r.started[1].killed)
	assert.False(t, r.finished())
	r.ends(r.started[1], kill9)
	assert.True(t, r.finished())
	assert.Equal(t, []string{"GWSGI0906"}, r.codes())
	assert.Len(t, r.started, 2)
}

func TestTerminateDoesNotWaitForWhatTheKernelHolds(t *testing.T) {
	r := newRig(t, oneProcess)
	r.terminate()
	r.pass(daemon.StopTimeout)
	assert.False(t, r.finished())
	r.pass(grace)
	assert.True(t, r.finished())
	assert.Equal(t, []string{"GWSGI0906", "GWSGI0913"}, r.codes())
}

// What the supervisor before this one left is cleared, and no socket's name comes twice.
func TestSecondSupervisorOfAGeneration(t *testing.T) {
	r := newRig(t, nil)
	r.allReady()
	r.retires(r.started[0], daemon.ExitReload)
	again := &rig{t: t, board: r.board, clock: r.clock, logFile: r.logFile}
	var err error
	again.supervisor, err = newSupervisor(&daemon.Config{Groups: []*daemon.Group{r.groups[0].config}}, r.board, r.log, again, r.now)
	require.NoError(t, err)
	for i := range r.board.Workers() {
		assert.Equal(t, daemon.Empty, r.board.Worker(i).State())
	}
	again.advance()
	require.Len(t, again.started, 2)
	assert.EqualValues(t, 2, again.started[0].number)
}

func TestGarbageIsLoggedOnce(t *testing.T) {
	r := newRig(t, oneProcess)
	for range 3 {
		r.garbled(r.started[0].worker, daemon.ErrMessage)
	}
	assert.Equal(t, 1, strings.Count(r.logged(), "GWSGI0909"))
}

func TestGroupWithoutPlace(t *testing.T) {
	board, err := daemon.NewScoreboard(daemon.ScoreboardSize{Groups: 1, Workers: 2})
	require.NoError(t, err)
	for _, g := range []*daemon.Group{{Index: 1, SlotCount: 1}, {FirstSlot: 1, SlotCount: 2}} {
		_, err = newSupervisor(&daemon.Config{Groups: []*daemon.Group{g}}, board, nil, nil, time.Now)
		assert.ErrorIs(t, err, daemon.ErrConfig)
	}
}
