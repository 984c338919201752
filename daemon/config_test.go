package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/directives"
)

var globalPairs = []Pair{{"abi", "1"}, {"version", "1.0.0"}, {"generation", "2"}, {"parent_pid", "77"}, {"scoreboard_groups", "2"},
	{"scoreboard_workers", "12"}, {"socket_prefix", "/run/wsgi"},
	{"apache_uid", "33"}, {"apache_gid", "34"}, {"is_root", "1"}, {"log_level", "6"}, {"python_home", "/opt/venv"},
	{"case_sensitive", "1"}, {"apache_version", "2.4.71"}, {"io_timeout", "60"}}

var groupPairs = []Pair{{"group", "blog"}, {"index", "0"}, {"first_slot", "3"}, {"slot_count", "6"}, {"processes", "2"},
	{"explicit_processes", "1"}, {"threads", "5"}, {"log_fd", "6"}, {"log_level", "4"}, {"option.umask", "022"}, {"option.env", "A=1"},
	{"option.env", "B=x=y"}, {"option.request-timeout", "7"}, {"import.script", "/i.wsgi"}, {"import.app_group", "g"},
	{"import.script", "/j.wsgi"}, {"import.app_group", ""}}

func both(more ...Pair) []byte {
	return EncodePairs(append(append(append([]Pair{}, globalPairs...), groupPairs...), more...))
}

func TestConfig(t *testing.T) {
	c, err := DecodeConfig(both(append([]Pair{{"group", "second"}}, groupPairs[1:]...)...))
	require.NoError(t, err)
	assert.Equal(t, 77, c.ParentPID)
	assert.Equal(t, [3]int{2, 4, 71}, c.ApacheVersion)
	assert.Equal(t, ScoreboardSize{Groups: 2, Workers: 12}, c.Scoreboard)
	assert.True(t, c.IsRoot)
	require.Len(t, c.Groups, 2)
	g := c.Groups[0]
	assert.Equal(t, "blog", g.Name)
	assert.True(t, g.ExplicitProcesses)
	assert.Equal(t, Warning, g.LogLevel)
	assert.Equal(t, []Script{{Path: "/i.wsgi", AppGroup: "g"}, {Path: "/j.wsgi"}}, g.Imports)
	assert.Equal(t, 0o22, g.Options.Umask)
	assert.Equal(t, []string{"A=1", "B=x=y"}, g.Options.Env)
	assert.Equal(t, 7*time.Second, g.Options.RequestTimeout)
	assert.Equal(t, "/opt/venv", g.Options.PythonHome, "WSGIPythonHome")
	assert.Equal(t, time.Minute, g.Options.SocketTimeout, "Timeout")
}

func TestDefaultsAreTheTables(t *testing.T) {
	o := defaultOptions()
	assert.Equal(t, 300*time.Second, o.DeadlockTimeout)
	assert.Equal(t, 100, o.ListenBacklog)
	assert.Equal(t, -1, o.Umask)
	handed := 0
	for _, row := range directives.Options() {
		if !row.Idle {
			assert.Contains(t, optionSetters, row.Name)
			handed++
		}
	}
	assert.Len(t, optionSetters, handed)
}

// Only root can give a socket to another user.
func TestSocketOwner(t *testing.T) {
	c, o := &Config{ApacheUID: 33, IsRoot: true}, defaultOptions()
	assert.Equal(t, 33, c.SocketOwner(&o))
	o.SocketUID = 0
	assert.Equal(t, 0, c.SocketOwner(&o))
	c.IsRoot = false
	assert.Equal(t, 33, c.SocketOwner(&o))
}

func TestFinishTimeout(t *testing.T) {
	o := defaultOptions()
	limit, option := o.FinishTimeout(ExitSignal)
	assert.Equal(t, 15*time.Second, limit)
	assert.Equal(t, "graceful-timeout", option)
	o.EvictionTimeout = time.Second
	limit, option = o.FinishTimeout(ExitSignal)
	assert.Equal(t, time.Second, limit)
	assert.Equal(t, "eviction-timeout", option)
	limit, _ = o.FinishTimeout(ExitReload)
	assert.Equal(t, 15*time.Second, limit)
}

func TestWorkerConfig(t *testing.T) {
	c, err := DecodeConfig(both(append([]Pair{{"group", "second"}}, groupPairs[1:]...)...))
	require.NoError(t, err)
	preloads := []Script{{Path: "/a.wsgi", AppGroup: "x", Callable: "app"}, {Path: "/b.wsgi", Callable: "application"}}
	w, err := DecodeWorker(c.EncodeWorker(c.Groups[1], 8, 3, "/run/s", true, preloads))
	require.NoError(t, err)
	assert.Equal(t, "second", w.Group.Name)
	assert.Equal(t, c.Groups[1].Options, w.Group.Options)
	assert.Equal(t, c.Groups[1].Imports, w.Group.Imports)
	assert.Equal(t, preloads, w.Preloads)
	assert.True(t, w.Standby)
	assert.Equal(t, 8, w.Slot)
	assert.EqualValues(t, 3, w.Incarnation)
	assert.Equal(t, "/run/s", w.Socket)
	assert.Equal(t, 33, w.ApacheUID)
	assert.Equal(t, c.Scoreboard, w.Scoreboard)

	_, err = DecodeWorker(both())
	assert.ErrorIs(t, err, ErrConfig)
}

func TestConfigErrors(t *testing.T) {
	for _, test := range []struct {
		more Pair
		says string
	}{
		{Pair{"threads", "many"}, "threads of group blog: not a number"},
		{Pair{"explicit_processes", "yes"}, "explicit_processes of group blog: neither 0 nor 1"},
		{Pair{"option.new", "1"}, "option.new of group blog: not known"},
		{Pair{"colour", "red"}, "colour of group blog: not known"},
		{Pair{"preload.callable", "x"}, "before its script"},
		{Pair{"slot_count", "1"}, "impossible numbers"},
		{Pair{"group", "empty"}, "index of group empty: missing"},
	} {
		_, err := DecodeConfig(both(test.more))
		assert.ErrorIs(t, err, ErrConfig)
		assert.ErrorContains(t, err, test.says)
	}
	_, err := DecodeConfig(EncodePairs([]Pair{{"scoreboard_workers", "-1"}}))
	assert.ErrorContains(t, err, "scoreboard_workers: an impossible number")
	_, err = DecodeConfig(EncodePairs(globalPairs[1:]))
	assert.ErrorContains(t, err, "abi: missing")
	_, err = DecodeConfig(EncodePairs([]Pair{{"apache_version", "2.x"}}))
	assert.ErrorContains(t, err, "not a version")
}

func TestPairs(t *testing.T) {
	data := EncodePairs([]Pair{{"name", "value"}, {"", ""}})
	assert.Equal(t, "\x00\x00\x00\x04\x00\x00\x00\x05namevalue\x00\x00\x00\x00\x00\x00\x00\x00", string(data))
	for n := range data {
		pairs, err := DecodePairs(data[:n])
		if n == 0 || n == 17 {
			assert.NoError(t, err)
		} else {
			assert.ErrorIs(t, err, ErrPairs, "%d bytes", n)
			assert.Nil(t, pairs)
		}
	}
	_, err := DecodePairs([]byte("\xff\xff\xff\xff\xff\xff\xff\xff"))
	assert.ErrorIs(t, err, ErrPairs)
}

func FuzzDecodeConfig(f *testing.F) {
	f.Add(both())
	f.Add(both(Pair{"slot", "1"}, Pair{"incarnation", "1"}, Pair{"socket", "/s"}, Pair{"preload.script", "/a"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = DecodeConfig(data)
		_, _ = DecodeWorker(data)
		if pairs, err := DecodePairs(data); err == nil {
			assert.Equal(t, string(data), string(EncodePairs(pairs)))
		}
	})
}

func TestSocketPath(t *testing.T) {
	c := Config{SocketPrefix: "/run/wsgi", ParentPID: 77, Generation: 2}
	path, ok := c.SocketPath(1, 5, 9)
	assert.True(t, ok)
	assert.Equal(t, "/run/wsgi.77.2.1.5.9.sock", path)
	c.SocketPrefix = strings.Repeat("x", 107-len(".77.2.1.5.9.sock"))
	_, ok = c.SocketPath(1, 5, 9)
	assert.True(t, ok)
	c.SocketPrefix += "x"
	_, ok = c.SocketPath(1, 5, 9)
	assert.False(t, ok)
}
