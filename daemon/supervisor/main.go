// This file is the supervisor's process: what it starts with, and its loop.

package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// Version differences between mod_gowsgi.so, which wrote the configuration, and this library.
var errABI = errors.New("mod_gowsgi.so and its library come from different versions")

// Main is the process. It returns its exit status: 0 when its work is done.
func Main() (status int) {
	log := daemon.NewLogger(2, daemon.Warning)
	guarded(log, func() { status = live(log, catchSignals()) })
	return status
}

// guarded runs do, with which a goroutine of this process begins.
func guarded(log *daemon.Logger, do func()) {
	daemon.Guarded(log, "GWSGI0914: defect in mod_gowsgi, in the supervisor, whose processes end with it", do)
}

// live is the process behind its guard.
func live(log *daemon.Logger, signals <-chan os.Signal) int {
	config, board, err := inherit()
	if err != nil {
		return refuse(log, err)
	}
	log = daemon.NewLogger(2, config.LogLevel)
	if os.Getppid() != config.ParentPID {
		log.Logf(daemon.Info, "supervisor: httpd (pid %d) ended before its supervisor began", config.ParentPID)
		return 0
	}
	checkDirectory(config, log)
	if n := removeStale(config); n > 0 {
		log.Logf(daemon.Info, "supervisor: removed %d sockets of processes that are gone", n)
	}
	if err := run(config, board, log, signals); err != nil {
		return refuse(log, err)
	}
	return 0
}

func refuse(log *daemon.Logger, err error) int {
	log.Logf(daemon.Crit, "GWSGI0901: the supervisor of the daemon process groups cannot work: %v. Requests for daemon process "+
		"groups are answered 503. Run make install again, so that all parts are of one build, and restart httpd", err)
	return 1
}

// catchSignals makes all that a terminal or an administrator may send arrive as values. SIGTERM alone has a meaning.
func catchSignals() <-chan os.Signal {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGPIPE)
	return signals
}

// inherit takes what the parent left in the descriptors, and lets no process have them that is not given them.
func inherit() (*daemon.Config, *daemon.Scoreboard, error) {
	if err := closeOnExec(); err != nil {
		return nil, nil, err
	}
	// httpd's signals for its process group are not for us.
	_ = unix.Setpgid(0, 0)
	file := os.NewFile(daemon.ConfigFD, "configuration")
	data, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<30))
	_ = file.Close()
	if err != nil {
		return nil, nil, err
	}
	config, err := daemon.DecodeConfig(data)
	if err != nil {
		return nil, nil, err
	}
	if config.ABI != daemon.ABIVersion {
		return nil, nil, fmt.Errorf("%w (%s and %s)", errABI, config.Version, daemon.Version)
	}
	board, err := daemon.MapScoreboard(daemon.ScoreboardFD, config.Scoreboard)
	return config, board, err
}

// closeOnExec marks all descriptors but the first three.
func closeOnExec() error {
	if unix.CloseRange(3, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		var fd int
		if _, err := fmt.Sscan(entry.Name(), &fd); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// run is the supervisor from its first worker to its last.
func run(config *daemon.Config, board *daemon.Scoreboard, log *daemon.Logger, signals <-chan os.Signal) error {
	events := make(chan event)
	sys, err := newLinux(config, log, events)
	if err != nil {
		return err
	}
	s, err := newSupervisor(config, board, log, sys, time.Now)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(2) // it has little to do
	sys.watchFolder()
	go guarded(log, func() { watchLease(events) })
	go guarded(log, func() { watchSignals(signals, events) })
	log.Logf(daemon.Info, "supervisor: mod_gowsgi %s, generation %d, %d process groups", daemon.Version, config.Generation,
		len(config.Groups))
	loop(s, events)
	sys.removeQueues()
	log.Logf(daemon.Info, "supervisor: ends")
	return nil
}

func newLinux(config *daemon.Config, log *daemon.Logger, events chan<- event) (*linux, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &linux{config: config, log: log, executable: executable, inherited: os.Environ(), scoreboard: daemon.ScoreboardFD, null: null,
		queues: map[int]*queue{}, events: events}, nil
}

// loop runs events until nothing is left to do.
func loop(s *supervisor, events <-chan event) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next := s.advance()
		if s.finished() {
			return
		}
		var due <-chan time.Time
		if !next.IsZero() {
			timer.Reset(max(next.Sub(s.now()), 0))
			due = timer.C
		}
		select {
		case e := <-events:
			e(s)
		case <-due:
		}
	}
}

// watchLease waits until all have closed the other end of the pipe.
func watchLease(events chan<- event) {
	_, _ = io.Copy(io.Discard, os.NewFile(daemon.LeaseFD, "lease"))
	events <- (*supervisor).leaseEnd
}

func watchSignals(signals <-chan os.Signal, events chan<- event) {
	for sig := range signals {
		events <- func(s *supervisor) {
			if sig == unix.SIGTERM {
				s.terminate()
				return
			}
			s.log.Logf(daemon.Debug, "supervisor: %s is ignored", sig)
		}
	}
}
