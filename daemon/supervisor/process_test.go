package supervisor

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// The test binary stands for gowsgid: it is the real supervisor, or a worker that runs no Python.
func TestMain(m *testing.M) {
	switch os.Getenv("GOWSGID_ROLE") {
	case "supervisor":
		os.Exit(Main())
	case "worker":
		os.Exit(fakeWorker())
	case "defect":
		guarded(daemon.NewLogger(2, daemon.Warning), func() { watchLease(closedEvents()) })
	}
	os.Exit(m.Run())
}

func closedEvents() chan<- event {
	events := make(chan event)
	close(events)
	return events
}

// A panic ends the process, with a line that says what to do, and not in Go's words.
func TestDefectEndsTheProcess(t *testing.T) {
	executable, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(executable)
	cmd.Env = append(os.Environ(), "GOWSGID_ROLE=defect")
	out, err := cmd.CombinedOutput()
	assert.EqualError(t, err, "exit status 1")
	assert.Regexp(t, `^\[.*\] \[gowsgi:crit\] \[pid \d+:tid \d+\] GWSGI0914: .* in the supervisor, .*: send on closed channel; .*report it`, string(out))
	assert.Contains(t, string(out), "supervisor.watchLease(")
	assert.NotContains(t, string(out), "\ngoroutine", "its stack has the form of the log")
}

// about is what a worker tells about itself to whoever connects.
type about struct {
	UID, GID  int
	Groups    []int
	Dir, Name string
	Env       []string
	Files     []string
	PGID, PID int
}

func describeSelf() about {
	a := about{UID: os.Getuid(), GID: os.Getgid(), Name: os.Args[0], Env: os.Environ(), PGID: unix.Getpgrp(), PID: os.Getpid()}
	a.Groups, _ = os.Getgroups()
	a.Dir, _ = os.Getwd()
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			a.Files = append(a.Files, e.Name()+" "+target)
		}
	}
	return a
}

func fakeWorker() int {
	self := describeSelf()
	data, _ := io.ReadAll(io.NewSectionReader(os.NewFile(daemon.ConfigFD, ""), 0, 1<<30))
	config, err := daemon.DecodeWorker(data)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 9
	}
	if os.Getenv("FAKE") == "die" {
		return 3
	}
	board, err := daemon.MapScoreboard(daemon.ScoreboardFD, config.Scoreboard)
	if err != nil {
		return 8
	}
	board.Worker(config.Slot).Transit(daemon.Serving)
	board.Group(config.Group.Index).Bump()
	say := func(m daemon.Message) { _, _ = unix.Write(daemon.ControlFD, m.Encode()) }
	say(daemon.Message{Verb: daemon.Ready, Python: "3.13.0"})
	listener, _ := net.FileListener(os.NewFile(daemon.ListenerFD, ""))
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			ask := make([]byte, 10)
			n, _ := c.Read(ask)
			if string(ask[:n]) == "retire" {
				say(daemon.Message{Verb: daemon.Retire, Reason: daemon.ExitReload})
			}
			_ = json.NewEncoder(c).Encode(self)
			_ = c.Close()
		}
	}()
	packet := make([]byte, daemon.MaxMessage)
	for {
		n, err := unix.Read(daemon.ControlFD, packet)
		if n <= 0 {
			return 7
		}
		m, _ := daemon.DecodeMessage(packet[:n])
		if err == nil && (m.Verb == daemon.Stop && os.Getenv("FAKE") != "stubborn" || m.Verb == daemon.Drain) {
			return 0
		}
	}
}

// stage is a supervisor process, and what its parent would have.
type stage struct {
	t       *testing.T
	dir     string
	cmd     *exec.Cmd
	board   *daemon.Scoreboard
	memory  int
	lease   *os.File
	prefix  string
	options []any // names and values
	root    bool
}

// gowsgid copies this binary to where every user may execute it.
func gowsgid(t *testing.T, dir string) string {
	from, err := os.Open("/proc/self/exe")
	require.NoError(t, err)
	defer func() { _ = from.Close() }()
	path := filepath.Join(dir, "gowsgid")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(to, from)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	return path
}

func newStage(t *testing.T, options ...any) *stage {
	s := &stage{t: t, dir: t.TempDir(), options: options, root: os.Geteuid() == 0}
	require.NoError(t, os.Chmod(filepath.Dir(s.dir), 0o755))
	s.prefix = filepath.Join(s.dir, "run")
	s.makeBoard(4)
	return s
}

// makeBoard does what the parent does in C.
func (s *stage) makeBoard(slots int) {
	var err error
	s.memory, err = unix.MemfdCreate("scoreboard", unix.MFD_CLOEXEC)
	require.NoError(s.t, err)
	const enough = 4096
	require.NoError(s.t, unix.Ftruncate(s.memory, enough))
	s.board, err = daemon.MapScoreboard(s.memory, daemon.ScoreboardSize{Groups: 1, Workers: slots})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = s.board.Close(); _ = unix.Close(s.memory) })
}

func (s *stage) config() []byte {
	uid, gid := os.Geteuid(), os.Getegid()
	if s.root {
		uid, gid = nobody(s.t)
	}
	pairs := pairsOf("abi", daemon.ABIVersion, "version", daemon.Version, "generation", 1, "parent_pid", os.Getpid(),
		"scoreboard_groups", s.board.Groups(), "scoreboard_workers", s.board.Workers(),
		"socket_prefix", s.prefix, "apache_uid", uid, "apache_gid", gid, "is_root", map[bool]int{true: 1}[s.root], "log_level", 7,
		"group", "blog", "index", 0, "first_slot", 0, "slot_count", 4, "processes", 2, "threads", 1, "log_fd", 6, "log_level", 7)
	return daemon.EncodePairs(append(pairs, pairsOf(s.options...)...))
}

// pairsOf takes names and values in turn.
func pairsOf(words ...any) (pairs []daemon.Pair) {
	for i := 0; i < len(words); i += 2 {
		pairs = append(pairs, daemon.Pair{Name: fmt.Sprint(words[i]), Value: fmt.Sprint(words[i+1])})
	}
	return pairs
}

// run starts the supervisor.
func (s *stage) run() {
	config, err := memoryFile("config", s.config())
	require.NoError(s.t, err)
	read, write, err := os.Pipe()
	require.NoError(s.t, err)
	s.lease = write
	log := s.open("error.log")
	group := s.open("group.log")
	board := os.NewFile(uintptr(dup(s.t, s.memory)), "board")
	secret, err := os.Open(os.DevNull) // a descriptor that nobody is to inherit
	require.NoError(s.t, err)
	path := filepath.Join(s.dir, "gowsgid")
	if _, err := os.Stat(path); err != nil {
		gowsgid(s.t, s.dir)
	}
	s.cmd = exec.Command(path)
	s.cmd.Args = []string{"(wsgi:supervisor)"}
	s.cmd.Env = append(os.Environ(), "GOWSGID_ROLE=supervisor", "HOME=/nowhere", "GORACE=atexit_sleep_ms=0")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.ExtraFiles = []*os.File{config, board, read, group, secret}
	require.NoError(s.t, s.cmd.Start())
	for _, f := range []*os.File{config, read, log, group, board, secret} {
		_ = f.Close()
	}
	s.t.Cleanup(s.end)
}

func dup(t *testing.T, fd int) int {
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	require.NoError(t, err)
	return copied
}

func (s *stage) open(name string) *os.File {
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	require.NoError(s.t, err)
	return f
}

func (s *stage) log(name string) string {
	text, _ := os.ReadFile(filepath.Join(s.dir, name))
	return string(text)
}

// end makes sure that nothing is left running.
func (s *stage) end() {
	_ = s.lease.Close()
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
	if s.t.Failed() {
		s.t.Logf("error.log:\n%s\ngroup.log:\n%s", s.log("error.log"), s.log("group.log"))
	}
}

func (s *stage) until(what string, condition func() bool) {
	s.t.Helper()
	require.Eventually(s.t, condition, 10*time.Second, 5*time.Millisecond, what)
}

// ready are the indexes of the slots with a worker that takes requests.
func (s *stage) ready() (slots []int) {
	for i := range s.board.Workers() {
		if s.board.Worker(i).State() == daemon.Serving {
			slots = append(slots, i)
		}
	}
	return slots
}

func (s *stage) sockets() []string {
	names, err := filepath.Glob(s.prefix + ".*")
	require.NoError(s.t, err)
	return names
}

// ask connects to a worker as Apache would.
func (s *stage) ask(slot int, text string) (a about) {
	config := daemon.Config{SocketPrefix: s.prefix, ParentPID: os.Getpid(), Generation: 1}
	path, _ := config.SocketPath(0, slot, s.board.Worker(slot).Incarnation())
	c, err := net.Dial("unix", path)
	require.NoError(s.t, err)
	defer func() { _ = c.Close() }()
	_, err = c.Write([]byte(text))
	require.NoError(s.t, err)
	require.NoError(s.t, json.NewDecoder(c).Decode(&a))
	return a
}

// gone tells whether a process has ended, waited for or not.
func (s *stage) gone(pid int) func() bool {
	return func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}
}

func TestWorkersSurroundings(t *testing.T) {
	s := newStage(t, "option.env", "COLOUR=red", "option.display-name", "%{GROUP} "+strings.Repeat("x", 300))
	if s.root {
		s.options = append(s.options, "option.user", "#54321", "option.group", "#54322",
			"option.supplementary-groups", "#54323,#54324", "option.home", s.dir)
	}
	s.run()
	s.until("both workers are ready", func() bool { return len(s.ready()) == 2 })
	a := s.ask(0, "who")
	assert.Equal(t, "(wsgi:blog) "+strings.Repeat("x", 300), a.Name)
	assert.Contains(t, a.Env, "COLOUR=red")
	assert.Equal(t, a.PID, a.PGID)
	assert.Equal(t, s.board.Worker(0).PID(), a.PID)
	if s.root {
		assert.Equal(t, 54321, a.UID)
		assert.Equal(t, 54322, a.GID)
		assert.ElementsMatch(t, []int{54323, 54324}, a.Groups)
		assert.Equal(t, s.dir, a.Dir)
	}
	known := regexp.MustCompile(`^(0 /dev/null|[12] .*/group\.log|3 /memfd:gowsgi-worker.*|4 /memfd:scoreboard.*|[567] socket:.*|` +
		`\d+ anon_inode:.*|\d+ /proc/\d+/fd)$`)
	for _, file := range a.Files {
		assert.Regexp(t, known, file)
	}
	assert.Len(t, s.sockets(), 3)
}

func TestStopLeavesNothing(t *testing.T) {
	for name, stop := range map[string]func(*stage){
		"SIGTERM": func(s *stage) { require.NoError(s.t, s.cmd.Process.Signal(unix.SIGTERM)) },
		"lease":   func(s *stage) { _ = s.lease.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.run()
			for _, ignored := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGUSR1, unix.SIGWINCH} {
				s.until("it catches signals", func() bool { return len(s.ready()) == 2 })
				require.NoError(t, s.cmd.Process.Signal(ignored))
			}
			pids := []int{s.board.Worker(0).PID(), s.board.Worker(1).PID()}
			stop(s)
			require.NoError(t, s.cmd.Wait())
			assert.Empty(t, s.sockets())
			for _, pid := range pids {
				assert.True(t, s.gone(pid)())
			}
			assert.NotContains(t, s.log("group.log")+s.log("error.log"), "GWSGI")
		})
	}
}

func TestStubbornWorkerIsKilled(t *testing.T) {
	s := newStage(t, "option.env", "FAKE=stubborn")
	s.run()
	s.until("both workers are ready", func() bool { return len(s.ready()) == 2 })
	begin, worker := time.Now(), s.board.Worker(0).PID()
	require.NoError(t, s.cmd.Process.Signal(unix.SIGTERM))
	s.until("the worker is gone", s.gone(worker))
	assert.InDelta(t, 3, time.Since(begin).Seconds(), 0.9)
	require.NoError(t, s.cmd.Wait())
	assert.Equal(t, 2, strings.Count(s.log("group.log"), "GWSGI0906"))
	assert.Empty(t, s.sockets())
}

func TestKilledWorkerComesBack(t *testing.T) {
	s := newStage(t)
	s.run()
	s.until("both workers are ready", func() bool { return len(s.ready()) == 2 })
	seen, pid := s.board.Group(0).Changes(), s.board.Worker(0).PID()
	require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	s.board.Group(0).Wait(seen, 5*time.Second)
	incarnation, status := s.board.Worker(0).Exit()
	assert.EqualValues(t, 1, incarnation)
	assert.Equal(t, 9, status)
	s.until("two workers again", func() bool { return len(s.ready()) == 2 })
	assert.Contains(t, s.log("group.log"), fmt.Sprintf("GWSGI0902: worker %d of process group 'blog' ended with signal 9 (SIGKILL)", pid))
	assert.Len(t, s.sockets(), 3)
}

func TestReload(t *testing.T) {
	s := newStage(t)
	s.run()
	s.until("both workers are ready", func() bool { return len(s.ready()) == 2 })
	old := s.ask(0, "retire").PID
	s.until("the old worker is gone", s.gone(old))
	s.until("two workers again", func() bool { return len(s.ready()) == 2 })
	assert.False(t, slices.Contains(s.ready(), 0))
	assert.NotContains(t, s.log("group.log"), "GWSGI")
}

// The workers see the end of their supervisor; the next one takes over, and cleans up.
func TestSupervisorDies(t *testing.T) {
	s := newStage(t)
	s.run()
	s.until("both workers are ready", func() bool { return len(s.ready()) == 2 })
	old := s.board.Worker(0).PID()
	require.NoError(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait()
	s.until("the workers are gone", s.gone(old))
	assert.Len(t, s.sockets(), 3)
	_ = s.lease.Close()
	s.run()
	s.until("both are ready again", func() bool { return len(s.ready()) == 2 && s.board.Worker(0).PID() != old })
	assert.Contains(t, s.log("error.log"), "removed 3 sockets")
	assert.Len(t, s.sockets(), 3)
	s.ask(0, "who")
}

func TestWorkersThatCannotStart(t *testing.T) {
	for name, test := range map[string]struct {
		option, value string
		says          string
	}{
		"at once":   {"option.env", "FAKE=die", `GWSGI0903: worker \d+ of process group 'blog' ended with exit status 3`},
		"home":      {"option.home", "/no/such", `GWSGI0904: .*home=: stat /no/such: no such file`},
		"env-file":  {"option.env-file", "/no/such", `GWSGI0904: .*env-file: open /no/such`},
		"long name": {"option.umask", "022", `GWSGI0904: .*path is too long; set WSGISocketPrefix`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, test.option, test.value)
			if name == "long name" {
				s.prefix = filepath.Join(s.dir, strings.Repeat("x", 100))
			}
			s.run()
			s.until("it says so", func() bool { return regexp.MustCompile(test.says).MatchString(s.log("group.log")) })
			assert.Less(t, strings.Count(s.log("group.log"), "GWSGI09"), 6, "it must not spin")
			require.NoError(t, s.cmd.Process.Signal(unix.SIGTERM))
			require.NoError(t, s.cmd.Wait())
			assert.Empty(t, s.sockets())
		})
	}
}

// What a worker said comes before its end, also when both are there at once.
func TestMessagesComeBeforeTheEnd(t *testing.T) {
	for range 30 {
		r := newRig(t, nil)
		ended, err := os.StartProcess("/bin/true", nil, &os.ProcAttr{})
		require.NoError(t, err)
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		_, err = unix.Write(pair[1], daemon.Message{Verb: daemon.Ready, Python: "3.13.0"}.Encode())
		require.NoError(t, err)
		require.NoError(t, unix.Waitid(unix.P_PID, ended.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil))
		w, events := r.started[0].worker, make(chan event)
		_, changed := w.slot.board.Transit(daemon.Serving)
		require.True(t, changed)
		(&linux{events: events}).watch(&child{process: ended, control: pair[0]}, w)
		for _, want := range []phase{serving, gone} {
			select {
			case happen := <-events:
				happen(r.supervisor)
			case <-time.After(10 * time.Second):
				require.Fail(t, "no event")
			}
			require.Equal(t, want, w.phase)
		}
		require.NoError(t, unix.Close(pair[0]))
		require.NoError(t, unix.Close(pair[1]))
	}
}

func TestBadConfiguration(t *testing.T) {
	s := newStage(t, "option.nonsense", "1")
	s.run()
	err := s.cmd.Wait()
	require.ErrorContains(t, err, "exit status 1")
	assert.Contains(t, s.log("error.log"), "GWSGI0901")
	assert.Contains(t, s.log("error.log"), "option.nonsense")
}
