// This file is the options of WSGIDaemonProcess (directives/daemon_options.def) as typed values.

package daemon

import (
	"strconv"
	"time"

	"github.com/mod-gowsgi/mod_gowsgi/directives"
)

// Options are those of one group. What was not given has the table's default, or is empty.
type Options struct {
	User                string // a name, #uid or uid; "": Apache's
	UnixGroup           string // a name, #gid or gid; "": Apache's
	SupplementaryGroups string // such groups, separated by commas; "": those of the user
	Umask               int    // -1: Apache's
	Home                string
	Lang                string
	Locale              string
	Env                 []string // NAME=value
	EnvFile             string
	DisplayName         string // as given, with %{GROUP} and %{PYTHON}
	PythonHome          string // or WSGIPythonHome
	PythonPath          string
	PythonEggs          string
	SwitchInterval      time.Duration // or WSGISwitchInterval; 0: Python's
	StackSize           int           // 0: the system's
	CPUPriority         int           // 0: httpd's
	MemoryLimit         int           // bytes; 0: none
	VirtualMemoryLimit  int           // bytes; 0: none
	SocketUID           int           // -1: Apache's user
	MaximumRequests     int           // 0: never

	// 0: no limit.
	InactivityTimeout time.Duration
	CPUTimeLimit      time.Duration
	RestartInterval   time.Duration
	EvictionTimeout   time.Duration // or GracefulTimeout
	DeadlockTimeout   time.Duration
	RequestTimeout    time.Duration
	StartupTimeout    time.Duration
	GracefulTimeout   time.Duration
	ShutdownTimeout   time.Duration
	ConnectTimeout    time.Duration
	QueueTimeout      time.Duration
	SocketTimeout     time.Duration // or Timeout

	ListenBacklog     int
	ReceiveBufferSize int // 0: the system's
	SendBufferSize    int
}

// FinishTimeout is how long a process that goes for that reason may finish its requests, and the option that says so. 0: no limit.
func (o *Options) FinishTimeout(reason ExitReason) (limit time.Duration, option string) {
	if reason == ExitSignal && o.EvictionTimeout > 0 {
		return o.EvictionTimeout, "eviction-timeout"
	}
	return o.GracefulTimeout, "graceful-timeout"
}

// SocketOwner is who may connect to a group's sockets. Only root can give them to another user.
func (c *Config) SocketOwner(o *Options) int {
	if o.SocketUID < 0 || !c.IsRoot {
		return c.ApacheUID
	}
	return o.SocketUID
}

var optionSetters = map[string]func(*decoder, *Options, Pair){
	"user":                 func(_ *decoder, o *Options, p Pair) { o.User = p.Value },
	"group":                func(_ *decoder, o *Options, p Pair) { o.UnixGroup = p.Value },
	"supplementary-groups": func(_ *decoder, o *Options, p Pair) { o.SupplementaryGroups = p.Value },
	"processes":            func(*decoder, *Options, Pair) {}, // Group.Processes
	"threads":              func(*decoder, *Options, Pair) {}, // Group.Threads
	"umask":                func(d *decoder, o *Options, p Pair) { o.Umask = d.number(p, 0) },
	"home":                 func(_ *decoder, o *Options, p Pair) { o.Home = p.Value },
	"lang":                 func(_ *decoder, o *Options, p Pair) { o.Lang = p.Value },
	"locale":               func(_ *decoder, o *Options, p Pair) { o.Locale = p.Value },
	"env":                  func(_ *decoder, o *Options, p Pair) { o.Env = append(o.Env, p.Value) },
	"env-file":             func(_ *decoder, o *Options, p Pair) { o.EnvFile = p.Value },
	"display-name":         func(_ *decoder, o *Options, p Pair) { o.DisplayName = p.Value },
	"python":               func(*decoder, *Options, Pair) {}, // Group.Python
	"python-home":          func(_ *decoder, o *Options, p Pair) { o.PythonHome = p.Value },
	"python-path":          func(_ *decoder, o *Options, p Pair) { o.PythonPath = p.Value },
	"python-eggs":          func(_ *decoder, o *Options, p Pair) { o.PythonEggs = p.Value },
	"switch-interval":      func(d *decoder, o *Options, p Pair) { o.SwitchInterval = d.microseconds(p) },
	"stack-size":           func(d *decoder, o *Options, p Pair) { o.StackSize = d.number(p, 10) },
	"cpu-priority":         func(d *decoder, o *Options, p Pair) { o.CPUPriority = d.number(p, 10) },
	"memory-limit":         func(d *decoder, o *Options, p Pair) { o.MemoryLimit = d.number(p, 10) },
	"virtual-memory-limit": func(d *decoder, o *Options, p Pair) { o.VirtualMemoryLimit = d.number(p, 10) },
	"cpu-time-limit":       func(d *decoder, o *Options, p Pair) { o.CPUTimeLimit = d.seconds(p) },
	"restart-interval":     func(d *decoder, o *Options, p Pair) { o.RestartInterval = d.seconds(p) },
	"eviction-timeout":     func(d *decoder, o *Options, p Pair) { o.EvictionTimeout = d.seconds(p) },
	"socket-user":          func(d *decoder, o *Options, p Pair) { o.SocketUID = d.number(p, 10) },
	"script-user":          func(*decoder, *Options, Pair) {}, // httpd's side keeps these two
	"script-group":         func(*decoder, *Options, Pair) {},
	"maximum-requests":     func(d *decoder, o *Options, p Pair) { o.MaximumRequests = d.number(p, 10) },
	"inactivity-timeout":   func(d *decoder, o *Options, p Pair) { o.InactivityTimeout = d.seconds(p) },
	"deadlock-timeout":     func(d *decoder, o *Options, p Pair) { o.DeadlockTimeout = d.seconds(p) },
	"request-timeout":      func(d *decoder, o *Options, p Pair) { o.RequestTimeout = d.seconds(p) },
	"startup-timeout":      func(d *decoder, o *Options, p Pair) { o.StartupTimeout = d.seconds(p) },
	"graceful-timeout":     func(d *decoder, o *Options, p Pair) { o.GracefulTimeout = d.seconds(p) },
	"shutdown-timeout":     func(d *decoder, o *Options, p Pair) { o.ShutdownTimeout = d.seconds(p) },
	"connect-timeout":      func(d *decoder, o *Options, p Pair) { o.ConnectTimeout = d.seconds(p) },
	"queue-timeout":        func(d *decoder, o *Options, p Pair) { o.QueueTimeout = d.seconds(p) },
	"socket-timeout":       func(d *decoder, o *Options, p Pair) { o.SocketTimeout = d.seconds(p) },
	"listen-backlog":       func(d *decoder, o *Options, p Pair) { o.ListenBacklog = d.number(p, 10) },
	"receive-buffer-size":  func(d *decoder, o *Options, p Pair) { o.ReceiveBufferSize = d.number(p, 10) },
	"send-buffer-size":     func(d *decoder, o *Options, p Pair) { o.SendBufferSize = d.number(p, 10) },
}

// defaultOptions are those of a group that gives none.
func defaultOptions() Options {
	o := Options{Umask: -1, SocketUID: -1}
	d := decoder{worker: &Worker{}}
	for _, row := range directives.Options() {
		if row.Unset == "" && !row.Idle {
			optionSetters[row.Name](&d, &o, Pair{row.Name, strconv.Itoa(row.Num)})
		}
	}
	return o
}
