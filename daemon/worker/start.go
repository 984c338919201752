// This file starts a worker process: configuration, Python, threads.

package worker

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

// worker is this process.
type worker struct {
	config  *daemon.Worker
	slot    *daemon.WorkerSlot
	group   *daemon.GroupSlot
	log     *daemon.Logger
	life    life
	limits  limits
	control *control
	watch   *watch
	main    mainThread
	signals chan os.Signal
	opened  chan struct{} // closed when requests are taken
	called  chan struct{} // closed when one that stands by is to serve

	born        time.Duration // when the process began; monotonic
	loaded      atomic.Bool   // all is loaded that is loaded at the start
	loading     time.Duration // how long that took
	loadedEarly time.Duration // how long of this scripts took
	ready       time.Duration // when requests were taken first; monotonic
}

// Main is the life of a worker process, on the process's main thread, which becomes Python's. It returns the exit status only if
// the process could not start.
func Main() int {
	runtime.LockOSThread()
	log := daemon.NewLogger(2, daemon.Warning)
	setupLog(daemon.Warning)
	prepareProcess()
	w, err := newWorker()
	if err != nil {
		log.Logf(daemon.Crit, "GWSGI1010: a daemon process cannot start: %v. This is a defect of mod_gowsgi, or its parts are not of one "+
			"build: run make install again and restart httpd", err)
		return 1
	}
	w.guarded(w.live)
	return 1
}

// live is the process from its configuration on. It returns only if the process could not start.
func (w *worker) live() {
	if err := w.start(); err != nil {
		w.log.Logf(daemon.Crit, "GWSGI1011: a process of group '%s' cannot start: %v. Check python-home=, threads=, stack-size= "+
			"and the limits of the process", w.config.Group.Name, err)
		return
	}
	go w.guarded(w.serve)
	w.main.run()
}

// guarded runs do, with which a goroutine of this process begins.
func (w *worker) guarded(do func()) {
	where := fmt.Sprintf("GWSGI1015: defect in mod_gowsgi, in process %d of group '%s', whose requests fail", os.Getpid(), w.config.Group.Name)
	daemon.Guarded(w.log, where, do)
}

// newWorker reads what the supervisor handed over.
func newWorker() (*worker, error) {
	for fd := daemon.ConfigFD; fd <= daemon.QueueFD; fd++ {
		unix.CloseOnExec(fd)
	}
	file := os.NewFile(daemon.ConfigFD, "configuration")
	data, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<30))
	_ = file.Close()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	config, err := daemon.DecodeWorker(data)
	if err != nil {
		return nil, err
	}
	board, err := daemon.MapScoreboard(daemon.ScoreboardFD, config.Scoreboard)
	_ = unix.Close(daemon.ScoreboardFD)
	if err != nil {
		return nil, err
	}
	g := config.Group
	if config.Slot >= board.Workers() || g.Index >= board.Groups() || g.FirstSlot+g.SlotCount > board.Workers() {
		return nil, fmt.Errorf("%w: it has no place in the scoreboard", daemon.ErrConfig)
	}
	if err := unix.SetNonblock(daemon.ControlFD, true); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	o := &g.Options
	w := &worker{
		config:  config,
		slot:    board.Worker(config.Slot),
		group:   board.Group(g.Index),
		log:     daemon.NewLogger(2, g.LogLevel),
		limits:  limits{inactivity: o.InactivityTimeout, deadlock: o.DeadlockTimeout, request: o.RequestTimeout, startup: o.StartupTimeout},
		watch:   newWatch(),
		main:    newMainThread(),
		signals: make(chan os.Signal, 4),
		opened:  make(chan struct{}),
		called:  make(chan struct{}),
		born:    monotonic(),
	}
	w.life.log = w.log
	w.control = newControl(os.NewFile(daemon.ControlFD, "control"), w.slot, w.log)
	return w, nil
}

// start brings the process to the point where it takes requests.
func (w *worker) start() error {
	setupLog(w.config.Group.LogLevel)
	if umask := w.config.Group.Options.Umask; umask >= 0 {
		unix.Umask(umask)
	}
	signal.Notify(w.signals, workerSignals...)
	if err := setResources(&w.config.Group.Options); err != nil {
		return err
	}
	// A C thread that calls Go needs a processor (a P); two more are for the monitors.
	runtime.GOMAXPROCS(w.config.Group.Threads + 4)
	go w.guarded(w.control.read)
	go w.guarded(w.control.tellLoads)
	go w.guarded(w.guardStart)
	go w.guarded(func() { w.watch.run(w) })
	if err := pyembed.Start(w.pythonConfig()); err != nil {
		with := ""
		if home := w.config.Group.Options.PythonHome; home != "" {
			with = " with the home " + home
		}
		return fmt.Errorf("its Python %s cannot be used%s: %w", pyembed.PythonVersion(), with, err)
	}
	if w.limits.deadlock > 0 {
		go w.guarded(w.watch.probe)
	}
	for _, i := range w.config.Group.Imports {
		pyembed.ImportScript(pyembed.Import{Script: i.Path, AppGroup: i.AppGroup})
	}
	for _, p := range w.config.Preloads {
		pyembed.Preload(pyembed.Application{Script: p.Path, AppGroup: p.AppGroup, Callable: p.Callable})
	}
	if !w.config.RestrictSignal {
		news, err := pyembed.SignalNews()
		if err != nil {
			return err
		}
		go w.guarded(func() { w.main.watchSignals(news) })
	}
	w.loading, w.loadedEarly = monotonic()-w.born, pyembed.LoadTime()
	w.loaded.Store(true)
	w.standBy()
	w.ready = monotonic()
	return w.open()
}

// standBy waits until the worker that this one is to replace has served what it may.
func (w *worker) standBy() {
	if !w.config.Standby {
		return
	}
	w.control.send(daemon.Message{Verb: daemon.Standby})
	<-w.called
}

// open makes the process take requests.
func (w *worker) open() error {
	var retirement *os.File
	err := w.control.sockets.listen(func() (err error) {
		retirement, err = startThreads(w.config, w.slot)
		return err
	})
	if err != nil {
		return err
	}
	w.life.transit(serving, "it is ready")
	close(w.opened)
	go w.guarded(func() { w.watch.listen(retirement) })
	w.slot.Transit(daemon.Serving)
	w.group.Bump()
	w.control.send(daemon.Message{Verb: daemon.Ready, Python: pyembed.PythonRelease()})
	return nil
}

func (w *worker) pythonConfig() pyembed.Config {
	c, g := w.config, w.config.Group
	config := pyembed.Config{
		ProcessGroup:      g.Name,
		Home:              g.Options.Home,
		PythonHome:        g.Options.PythonHome,
		PythonExecutable:  c.PythonExecutable,
		PythonProgram:     g.PythonProgram,
		PythonPath:        g.Options.PythonPath,
		PythonEggs:        g.Options.PythonEggs,
		PythonOptimize:    c.PythonOptimize,
		DontWriteBytecode: c.DontWriteBytecode,
		PythonHashSeed:    c.PythonHashSeed,
		PythonWarnings:    c.PythonWarnings,
		KeepInterpreters:  c.KeepInterpreters,
		SwitchInterval:    g.Options.SwitchInterval,
		RestrictStdin:     c.RestrictStdin,
		RestrictStdout:    c.RestrictStdout,
		RestrictSignal:    c.RestrictSignal,
		CaseSensitive:     c.CaseSensitive,
		Threads:           g.Threads,
		Processes:         g.Processes,
		Multithread:       g.Threads > 1,
		Multiprocess:      g.ExplicitProcesses,
		RunOnce:           g.Threads == 1 && g.Options.MaximumRequests == 1,
		ApacheVersion:     c.ApacheVersion,
		ApacheDesc:        c.ApacheDescription,
		ApacheMPM:         c.ApacheMPM,
		ApacheBuildDate:   c.ApacheBuildDate,
		Loaded:            w.control.loaded,
		Log:               LogFunction(),
	}
	if g.OwnPython || g.Options.PythonHome != c.PythonHome {
		config.PythonExecutable = "" // that of another Python
	}
	return config
}
