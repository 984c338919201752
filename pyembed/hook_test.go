package pyembed_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

// What the four kinds of functions may return.
const (
	takesAccess = hosttest.HookNone | hosttest.HookBool
	takesUser   = hosttest.HookNone | hosttest.HookBool | hosttest.HookStr
	takesHash   = hosttest.HookNone | hosttest.HookStr | hosttest.HookBytes
	takesGroups = hosttest.HookList
)

// question is one to a function f(environ) with this body.
func question(t *testing.T, body string, flags int) hosttest.Question {
	t.Helper()
	indented := "    " + strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    ")
	return hosttest.Question{Script: write(t, "hook.py", "def f(environ, *args):\n"+indented+"\n"), Function: "f", Flags: flags}
}

// said is what was logged while ask ran.
func said(ask func()) string {
	before := len(hosttest.ProcessLog())
	ask()
	return hosttest.Text(hosttest.ProcessLog()[before:])
}

func TestHookAnswers(t *testing.T) {
	tests := []struct {
		value string // what f returns
		flags int
		want  string
		line  string // in the log; "" means that nothing is logged
	}{
		{`True`, takesAccess, "true", ""},
		{`False`, takesAccess, "false", ""},
		{`None`, takesAccess, "none", ""},
		{`1`, takesAccess, "failed", "f() returned an object of type 'int', where True, False or None is expected; the test goes on"},
		{`0`, takesAccess, "failed", "'int'"},
		{`"yes"`, takesAccess, "failed", "'str'"},
		{`[]`, takesAccess, "failed", "'list'"},
		{`"ann"`, takesUser, "text:ann", ""},
		{`"\xe9"`, takesUser, "text:\xe9", ""},
		{`type("S", (str,), {})("ann")`, takesUser, "text:ann", ""},
		{`b"ann"`, takesUser, "failed", "'bytes', where True, False, None or a str is expected"},
		{`""`, takesUser, "failed", "returned an empty str, where"},
		{`"a\nb"`, takesUser, "failed", "returned a text with control characters"},
		{`"a\0b"`, takesUser, "failed", "control characters"},
		{`"\x7f"`, takesUser, "failed", "control characters"},
		{`"\u0142"`, takesUser, "failed", "beyond U+00FF"},
		{`"\udcff"`, takesUser, "failed", "beyond U+00FF"},
		{`"x" * (1 << 20)`, takesHash, "text:" + strings.Repeat("x", 1<<20), ""},
		{`"x" * ((1 << 20) + 1)`, takesHash, "failed", "returned a text of more than 1048576 bytes"},
		{`b"ab"`, takesHash, "text:ab", ""},
		{`True`, takesHash, "failed", "'bool', where a str, bytes or None is expected"},
		{`["b", b"a"]`, takesGroups, "list:a,b", ""},
		{`("b",)`, takesGroups, "list:b", ""},
		{`{"x", "y"}`, takesGroups, "list:x,y", ""},
		{`(g for g in "ab")`, takesGroups, "list:a,b", ""},
		{`{"a": 1}`, takesGroups, "list:a", ""},
		{`[]`, takesGroups, "list:", ""},
		{`["", "a\0b"]`, takesGroups, "list:,a\x00b", ""},
		{`None`, takesGroups, "failed", "'NoneType', where a list, or another iterable, of str or bytes is expected"},
		{`"ab"`, takesGroups, "failed", "'str', where a list"},
		{`b"ab"`, takesGroups, "failed", "'bytes', where a list"},
		{`5`, takesGroups, "failed", "'int', where a list"},
		{`["a", 5]`, takesGroups, "failed", "a list with an object of type 'int' in it"},
		{`["\u0142"]`, takesGroups, "failed", "beyond U+00FF"},
		{`iter(lambda: "a" * 1000, None)`, takesGroups, "failed", "a list of more than 1048576 bytes"},
		{`map(int, ["x"])`, takesGroups, "failed", "ValueError: invalid literal"},
		{`type("I", (), {"__iter__": lambda self: 1 / 0})()`, takesGroups, "failed", "ZeroDivisionError"},
		{`1 / 0`, takesAccess, "failed", "GWSGI1205: WSGITestScript '"},
		{`exit(3)`, takesAccess, "failed", "SystemExit: 3"},
	}
	for _, test := range tests {
		t.Run(test.value, func(t *testing.T) {
			var got string
			log := said(func() { got = question(t, "return "+test.value, test.flags).Ask() })
			assert.Equal(t, test.want, got)
			if test.line == "" {
				assert.Empty(t, log)
			} else {
				assert.Contains(t, log, test.line)
				assert.Equal(t, 1, strings.Count(log, "GWSGI"), log)
			}
		})
	}
}

func TestHookArguments(t *testing.T) {
	q := question(t, `
assert args == ("caf\xe9", ""), args
assert environ["A"] == "b" and environ["apache.version"] == (2, 4, 99)
assert not {"wsgi.input", "wsgi.file_wrapper", "wsgi.input_terminated"} & set(environ), environ
environ["wsgi.errors"].write("to the log")
return True`, takesAccess)
	q.Args, q.Environ = []string{"caf\xe9", ""}, [][2]string{{"A", "b"}}
	assert.Equal(t, "to the log\n", said(func() { assert.Equal(t, "true", q.Ask()) }))
}

func TestHookFunctions(t *testing.T) {
	q := hosttest.Question{Script: write(t, "hook.py", "number = 5\n"), Function: "f", Flags: takesAccess}
	assert.Contains(t, said(func() { assert.Equal(t, "failed", q.Ask()) }), "GWSGI1204: WSGITestScript '"+q.Script+
		"' (application group ''): f() is not defined in the script; the test goes on")
	q.Flags |= hosttest.HookOptional
	assert.Empty(t, said(func() { assert.Equal(t, "absent", q.Ask()) }))
	q.Function = "number"
	assert.Contains(t, said(func() { assert.Equal(t, "failed", q.Ask()) }), "number() is not a function but something else")
	q.Script = "/no/such/hook.py"
	assert.Contains(t, said(func() { assert.Equal(t, "failed", q.Ask()) }), "GWSGI1201: WSGITestScript '/no/such/hook.py'")
}

// One module for all functions of a script in a group, and for an application in it; a change makes a new one.
func TestHookReload(t *testing.T) {
	script := write(t, "hook.py", "calls = []\ndef f(environ):\n    calls.append(1)\n    return str(len(calls))\ng = f\n")
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(script, old, old))
	ask := func(function, group string, flags int) string {
		return hosttest.Question{Script: script, Function: function, Group: group, Flags: takesHash | flags, Mtime: mtime(t, script)}.Ask()
	}
	assert.Equal(t, "text:1", ask("f", "", hosttest.HookReload))
	assert.Equal(t, "text:2", ask("g", "", hosttest.HookReload))
	assert.Equal(t, "text:1", ask("f", "hook", hosttest.HookReload))
	require.NoError(t, os.WriteFile(script, []byte("def f(environ):\n    return 'new'\n"), 0o644))
	assert.Equal(t, "text:3", ask("f", "", 0))
	assert.Equal(t, "text:new", ask("f", "", hosttest.HookReload))
	assert.Equal(t, "text:2", ask("f", "hook", 0))
	assert.Equal(t, "absent", ask("g", "", hosttest.HookReload|hosttest.HookOptional))
}

// Only a first use and a change enter Go.
func TestHookStaysInC(t *testing.T) {
	q := question(t, "return True", takesAccess)
	q.Ask()
	_, before := hosttest.Counters()
	for range 10 {
		assert.Equal(t, "true", q.Ask())
	}
	_, after := hosttest.Counters()
	assert.Equal(t, before, after)
}
