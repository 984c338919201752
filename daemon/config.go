// This file turns the pairs of the configuration into typed values, for the supervisor (all groups) and for a worker (its own).

package daemon

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrConfig says which pair of the configuration is missing or cannot be understood.
var ErrConfig = errors.New("configuration")

// Config is what the httpd parent says about itself, and the groups.
type Config struct {
	ABI               int
	Version           string // of mod_gowsgi.so
	Generation        int
	ParentPID         int
	Scoreboard        ScoreboardSize
	SocketPrefix      string // absolute
	ApacheUID         int
	ApacheGID         int
	IsRoot            bool // httpd was started by root: processes change to their user
	LogLevel          Level
	PythonHome        string
	PythonExecutable  string
	PythonOptimize    int
	DontWriteBytecode bool
	PythonHashSeed    string
	PythonWarnings    string // each on a line
	KeepInterpreters  bool
	SwitchInterval    time.Duration // 0: Python's
	RestrictStdin     bool
	RestrictStdout    bool
	RestrictSignal    bool
	CaseSensitive     bool
	ApacheVersion     [3]int
	ApacheDescription string
	ApacheMPM         string
	ApacheBuildDate   string
	IOTimeout         time.Duration // Timeout
	ErrorLogMain      string
	Groups            []*Group

	pairs []Pair // the global ones, as they came
}

// Group is a daemon process group.
type Group struct {
	Name              string
	Index             int // among the groups: of its slot and in its sockets' names
	FirstSlot         int // of its worker slots
	SlotCount         int
	Processes         int
	Python            string // the version of its library, "3.13"
	OwnPython         bool   // it is not that of Apache's processes: WSGIPythonHome and WSGIPythonExecutable are not for it
	PythonProgram     string // its interpreter, or that of a virtual environment; "": the library's own Python
	ExplicitProcesses bool   // processes= was given: wsgi.multiprocess is True
	Threads           int
	LogFD             int // its error log, in the supervisor
	LogLevel          Level
	ServerName        string
	Options           Options
	Imports           []Script // WSGIImportScript, in order; without Callable

	pairs []Pair
}

// Worker is a worker's part of the configuration.
type Worker struct {
	Config
	Group       *Group
	Slot        int // the index among all groups' slots
	Incarnation uint32
	Socket      string   // the path of its socket
	Standby     bool     // it waits for Serve before it is READY
	Preloads    []Script // what its predecessor served: to be loaded, like the imports, before it is READY
}

// DecodeConfig reads the supervisor's configuration.
func DecodeConfig(data []byte) (*Config, error) {
	pairs, err := DecodePairs(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	d := decoder{worker: &Worker{}}
	if err := d.decode(pairs); err != nil {
		return nil, err
	}
	return &d.worker.Config, nil
}

// DecodeWorker reads a worker's configuration.
func DecodeWorker(data []byte) (*Worker, error) {
	pairs, err := DecodePairs(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	d := decoder{worker: &Worker{Slot: -1}}
	if err := d.decode(pairs); err != nil {
		return nil, err
	}
	w := d.worker
	if len(w.Groups) != 1 || w.Slot < 0 || w.Incarnation == 0 || w.Socket == "" {
		return nil, fmt.Errorf("%w: not that of one worker", ErrConfig)
	}
	w.Group = w.Groups[0]
	return w, nil
}

// EncodeWorker writes the configuration of a worker process of the group.
func (c *Config) EncodeWorker(g *Group, slot int, incarnation uint32, socket string, standby bool, preloads []Script) []byte {
	pairs := append(append([]Pair{}, c.pairs...), g.pairs...)
	pairs = append(pairs, Pair{"slot", strconv.Itoa(slot)}, Pair{"incarnation", strconv.FormatUint(uint64(incarnation), 10)},
		Pair{"socket", socket})
	if standby {
		pairs = append(pairs, Pair{"standby", "1"})
	}
	for _, script := range preloads {
		pairs = append(pairs, Pair{"preload.script", script.Path}, Pair{"preload.app_group", script.AppGroup},
			Pair{"preload.callable", script.Callable})
	}
	return EncodePairs(pairs)
}

// ---- Decoding ----

// decoder goes through the pairs. A pair belongs to the group whose name came last, or to all before the first.
type decoder struct {
	worker *Worker
	group  *Group
	seen   map[string]bool // of the global pairs, then of the group's
	err    error
}

// Pairs that must be there.
var (
	requiredGlobal = []string{"abi", "version", "generation", "parent_pid", "scoreboard_groups", "scoreboard_workers",
		"socket_prefix", "apache_uid", "apache_gid", "is_root"}
	requiredGroup = []string{"index", "first_slot", "slot_count", "processes", "threads", "log_fd"}
)

func (d *decoder) decode(pairs []Pair) error {
	d.seen = map[string]bool{}
	d.worker.LogLevel = Warning
	d.worker.CaseSensitive = true
	for _, p := range pairs {
		if p.Name == "group" {
			d.finishPart()
			d.startGroup(p)
			continue
		}
		d.pair(p)
	}
	d.finishPart()
	return d.err
}

func (d *decoder) pair(p Pair) {
	d.seen[p.Name] = true
	set, known := globalSetters[p.Name], false
	switch {
	case d.group == nil:
		if known = set != nil; known {
			set(d, &d.worker.Config, p)
			d.worker.pairs = append(d.worker.pairs, p)
		}
	case strings.HasPrefix(p.Name, "option."):
		known = d.option(p)
		d.group.pairs = append(d.group.pairs, p)
	case workerSetters[p.Name] != nil:
		known = true
		workerSetters[p.Name](d, d.worker, p)
	case groupSetters[p.Name] != nil:
		known = true
		groupSetters[p.Name](d, d.group, p)
		d.group.pairs = append(d.group.pairs, p)
	}
	if !known {
		d.fail(p, "not known to this version")
	}
}

func (d *decoder) option(p Pair) bool {
	set := optionSetters[strings.TrimPrefix(p.Name, "option.")]
	if set == nil {
		return false
	}
	set(d, &d.group.Options, p)
	return true
}

func (d *decoder) startGroup(p Pair) {
	d.group = &Group{Name: p.Value, LogFD: 2, LogLevel: d.worker.LogLevel, Options: defaultOptions(), pairs: []Pair{p}}
	d.worker.Groups = append(d.worker.Groups, d.group)
	d.seen = map[string]bool{}
}

// finishPart checks that the part which ends here is complete, and sets what follows from it.
func (d *decoder) finishPart() {
	required := requiredGlobal
	if d.group != nil {
		required = requiredGroup
	}
	for _, name := range required {
		if !d.seen[name] {
			d.fail(Pair{Name: name}, "missing")
		}
	}
	if g := d.group; g != nil {
		o := &g.Options
		if o.PythonHome == "" && !g.OwnPython {
			o.PythonHome = d.worker.PythonHome
		}
		if o.SwitchInterval == 0 {
			o.SwitchInterval = d.worker.SwitchInterval
		}
		if o.SocketTimeout == 0 {
			o.SocketTimeout = d.worker.IOTimeout
		}
		if g.SlotCount < g.Processes || g.Processes < 1 || g.Threads < 1 || g.FirstSlot < 0 || g.Index < 0 {
			d.fail(Pair{Name: "group"}, "impossible numbers")
		}
	}
}

// fail keeps the first error. Values are not shown: they may be secret.
func (d *decoder) fail(p Pair, what string) {
	if d.err != nil {
		return
	}
	of := ""
	if d.group != nil {
		of = " of group " + d.group.Name
	}
	d.err = fmt.Errorf("%w: %s%s: %s", ErrConfig, p.Name, of, what)
}

// number reads a whole number; with base 0, one that begins with 0 is octal.
func (d *decoder) number(p Pair, base int) int {
	n, err := strconv.ParseInt(p.Value, base, 64)
	if err != nil {
		d.fail(p, "not a number")
	}
	return int(n)
}

// count reads how many there are of something: at least one.
func (d *decoder) count(p Pair) int {
	n := d.number(p, 10)
	if n < 1 || n > math.MaxInt32 {
		d.fail(p, "an impossible number")
	}
	return n
}

func (d *decoder) bool(p Pair) bool {
	if p.Value != "0" && p.Value != "1" {
		d.fail(p, "neither 0 nor 1")
	}
	return p.Value == "1"
}

func (d *decoder) seconds(p Pair) time.Duration {
	return time.Duration(d.number(p, 10)) * time.Second
}

func (d *decoder) microseconds(p Pair) time.Duration {
	return time.Duration(d.number(p, 10)) * time.Microsecond
}

func (d *decoder) version(p Pair) (version [3]int) {
	fields := strings.SplitN(p.Value, ".", 3)
	for i, field := range fields {
		n, err := strconv.Atoi(field)
		if err != nil {
			d.fail(p, "not a version")
		}
		version[i] = n
	}
	return version
}

// globalSetters, groupSetters and workerSetters say what each pair means.
var globalSetters = map[string]func(*decoder, *Config, Pair){
	"abi":                 func(d *decoder, c *Config, p Pair) { c.ABI = d.number(p, 10) },
	"version":             func(_ *decoder, c *Config, p Pair) { c.Version = p.Value },
	"generation":          func(d *decoder, c *Config, p Pair) { c.Generation = d.number(p, 10) },
	"parent_pid":          func(d *decoder, c *Config, p Pair) { c.ParentPID = d.number(p, 10) },
	"scoreboard_groups":   func(d *decoder, c *Config, p Pair) { c.Scoreboard.Groups = d.count(p) },
	"scoreboard_workers":  func(d *decoder, c *Config, p Pair) { c.Scoreboard.Workers = d.count(p) },
	"socket_prefix":       func(_ *decoder, c *Config, p Pair) { c.SocketPrefix = p.Value },
	"apache_uid":          func(d *decoder, c *Config, p Pair) { c.ApacheUID = d.number(p, 10) },
	"apache_gid":          func(d *decoder, c *Config, p Pair) { c.ApacheGID = d.number(p, 10) },
	"is_root":             func(d *decoder, c *Config, p Pair) { c.IsRoot = d.bool(p) },
	"log_level":           func(d *decoder, c *Config, p Pair) { c.LogLevel = Level(d.number(p, 10)) },
	"python_home":         func(_ *decoder, c *Config, p Pair) { c.PythonHome = p.Value },
	"python_executable":   func(_ *decoder, c *Config, p Pair) { c.PythonExecutable = p.Value },
	"python_optimize":     func(d *decoder, c *Config, p Pair) { c.PythonOptimize = d.number(p, 10) },
	"dont_write_bytecode": func(d *decoder, c *Config, p Pair) { c.DontWriteBytecode = d.bool(p) },
	"python_hash_seed":    func(_ *decoder, c *Config, p Pair) { c.PythonHashSeed = p.Value },
	"python_warnings":     func(_ *decoder, c *Config, p Pair) { c.PythonWarnings = p.Value },
	"keep_interpreters":   func(d *decoder, c *Config, p Pair) { c.KeepInterpreters = d.bool(p) },
	"switch_interval":     func(d *decoder, c *Config, p Pair) { c.SwitchInterval = d.microseconds(p) },
	"restrict_stdin":      func(d *decoder, c *Config, p Pair) { c.RestrictStdin = d.bool(p) },
	"restrict_stdout":     func(d *decoder, c *Config, p Pair) { c.RestrictStdout = d.bool(p) },
	"restrict_signal":     func(d *decoder, c *Config, p Pair) { c.RestrictSignal = d.bool(p) },
	"case_sensitive":      func(d *decoder, c *Config, p Pair) { c.CaseSensitive = d.bool(p) },
	"apache_version":      func(d *decoder, c *Config, p Pair) { c.ApacheVersion = d.version(p) },
	"apache_description":  func(_ *decoder, c *Config, p Pair) { c.ApacheDescription = p.Value },
	"apache_mpm":          func(_ *decoder, c *Config, p Pair) { c.ApacheMPM = p.Value },
	"apache_build_date":   func(_ *decoder, c *Config, p Pair) { c.ApacheBuildDate = p.Value },
	"io_timeout":          func(d *decoder, c *Config, p Pair) { c.IOTimeout = d.seconds(p) },
	"error_log_main":      func(_ *decoder, c *Config, p Pair) { c.ErrorLogMain = p.Value },
}

var groupSetters = map[string]func(*decoder, *Group, Pair){
	"index":              func(d *decoder, g *Group, p Pair) { g.Index = d.number(p, 10) },
	"first_slot":         func(d *decoder, g *Group, p Pair) { g.FirstSlot = d.number(p, 10) },
	"slot_count":         func(d *decoder, g *Group, p Pair) { g.SlotCount = d.number(p, 10) },
	"processes":          func(d *decoder, g *Group, p Pair) { g.Processes = d.number(p, 10) },
	"explicit_processes": func(d *decoder, g *Group, p Pair) { g.ExplicitProcesses = d.bool(p) },
	"threads":            func(d *decoder, g *Group, p Pair) { g.Threads = d.number(p, 10) },
	"python":             func(_ *decoder, g *Group, p Pair) { g.Python = p.Value },
	"own_python":         func(d *decoder, g *Group, p Pair) { g.OwnPython = d.bool(p) },
	"python_program":     func(_ *decoder, g *Group, p Pair) { g.PythonProgram = p.Value },
	"log_fd":             func(d *decoder, g *Group, p Pair) { g.LogFD = d.number(p, 10) },
	"log_level":          func(d *decoder, g *Group, p Pair) { g.LogLevel = Level(d.number(p, 10)) },
	"server_name":        func(_ *decoder, g *Group, p Pair) { g.ServerName = p.Value },
	"import.script":      func(_ *decoder, g *Group, p Pair) { g.Imports = append(g.Imports, Script{Path: p.Value}) },
	"import.app_group": func(d *decoder, g *Group, p Pair) {
		if script := d.last(g.Imports, p); script != nil {
			script.AppGroup = p.Value
		}
	},
}

var workerSetters = map[string]func(*decoder, *Worker, Pair){
	"slot":           func(d *decoder, w *Worker, p Pair) { w.Slot = d.number(p, 10) },
	"incarnation":    func(d *decoder, w *Worker, p Pair) { w.Incarnation = uint32(d.number(p, 10)) },
	"socket":         func(_ *decoder, w *Worker, p Pair) { w.Socket = p.Value },
	"standby":        func(d *decoder, w *Worker, p Pair) { w.Standby = d.bool(p) },
	"preload.script": func(_ *decoder, w *Worker, p Pair) { w.Preloads = append(w.Preloads, Script{Path: p.Value}) },
	"preload.app_group": func(d *decoder, w *Worker, p Pair) {
		if script := d.last(w.Preloads, p); script != nil {
			script.AppGroup = p.Value
		}
	},
	"preload.callable": func(d *decoder, w *Worker, p Pair) {
		if script := d.last(w.Preloads, p); script != nil {
			script.Callable = p.Value
		}
	},
}

// last is the script to which a pair belongs that comes after the script's own.
func (d *decoder) last(scripts []Script, p Pair) *Script {
	if len(scripts) == 0 {
		d.fail(p, "comes before its script")
		return nil
	}
	return &scripts[len(scripts)-1]
}
