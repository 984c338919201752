// This file tests the expansion of %{…}.

package directives

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var blog = Source{
	ServerName: "www.example.com",
	Port:       8080,
	ScriptName: "/Blog//posts",
	Env: map[string]string{
		"GROUP": "~joe", "EMPTY": "", "AGAIN": "%{RESOURCE}", "GLOBAL": "%{GLOBAL}", "LOOP": "%{ENV:LOOP}", "ODD": "%{X}",
		"PERCENT": "100%", "SERVER": "%{SERVER}",
	},
}

func TestExpand(t *testing.T) {
	for _, test := range []struct{ template, want string }{
		{"", ""},
		{"blog", "blog"},
		{"100%", "100%"},
		{"%{GLOBAL}", ""},
		{"%{SERVER}", "www.example.com:8080"},
		{"%{RESOURCE}", "www.example.com:8080|/Blog/posts"},
		{"%{ENV:GROUP}", "~joe"},
		{"%{ENV:EMPTY}", ""},
		{"%{ENV:PERCENT}", "100%"},
		{"%{ENV:AGAIN}", "www.example.com:8080|/Blog/posts"},
		{"%{ENV:GLOBAL}", ""},
		{"%{ENV:SERVER}", "www.example.com:8080"},
	} {
		got, err := Expand(test.template, blog, ExpandBuffer)
		assert.NoError(t, err, test.template)
		assert.Equal(t, test.want, got, test.template)
	}
}

func TestExpandPorts(t *testing.T) {
	for port, want := range map[uint]string{
		80: "h|/", 443: "h|/", 0: "h|/", 1: "h:1|/", 81: "h:81|/", 8000: "h:8000|/", 65535: "h:65535|/",
	} {
		got, err := Expand("%{RESOURCE}", Source{ServerName: "h", Port: port, ScriptName: "/"}, ExpandBuffer)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

func TestExpandScriptNames(t *testing.T) {
	for script, want := range map[string]string{
		"": "h|", "/": "h|/", "///": "h|/", "/A//b///C/": "h|/A/b/C/", "/é": "h|/é",
	} {
		got, err := Expand("%{RESOURCE}", Source{ServerName: "h", Port: 80, ScriptName: script}, ExpandBuffer)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	got, err := Expand("%{RESOURCE}", Source{ServerName: "Host", ScriptName: "/AZaz//É@[", IgnoreCase: true}, ExpandBuffer)
	assert.NoError(t, err)
	assert.Equal(t, "Host|/azaz/É@[", got, "only the script name, only ASCII")
}

func TestExpandFails(t *testing.T) {
	for template, want := range map[string]error{
		"%{ENV:NONE}": ErrUndefined,
		"%{ENV:}":     ErrUndefined,
		"%{ENV:LOOP}": ErrInvalid,
		"%{ENV:ODD}":  ErrInvalid,
		"%{FOO}":      ErrInvalid,
		"%{":          ErrInvalid,
		"%{SERVER}x":  ErrInvalid,
		"%{ENV:A}B}":  ErrInvalid,
	} {
		_, err := Expand(template, blog, ExpandBuffer)
		assert.ErrorIs(t, err, want, template)
	}
	_, err := Expand("%{ENV:NONE}", blog, ExpandBuffer)
	assert.EqualError(t, err, "undefined variable: NONE", "the variable is named")
	_, err = Expand("%{ENV:LOOP}", blog, ExpandBuffer)
	assert.EqualError(t, err, "not a variable: %{ENV:LOOP}", "the value is shown")
}

// With every size of the buffer the result is whole or refused.
func TestExpandBound(t *testing.T) {
	for template, want := range map[string]string{
		"%{SERVER}": "www.example.com:8080", "%{RESOURCE}": "www.example.com:8080|/Blog/posts", "%{ENV:GROUP}": "~joe",
	} {
		needs := len(want) + 1
		if template == "%{ENV:GROUP}" {
			needs = len("GROUP") + 1
		}
		for size := range needs + 2 {
			got, err := Expand(template, blog, size)
			if size < needs {
				assert.ErrorIs(t, err, ErrTooLong, "%s in %d bytes", template, size)
				continue
			}
			assert.NoError(t, err, "%s in %d bytes", template, size)
			assert.Equal(t, want, got)
		}
	}
	long, err := Expand(strings.Repeat("x", 2*ExpandBuffer), blog, 0)
	assert.NoError(t, err, "a literal needs no buffer")
	assert.Len(t, long, 2*ExpandBuffer)
}

func FuzzExpand(f *testing.F) {
	for _, template := range []string{
		"", "blog", "%", "%{", "%{}", "%{GLOBAL}", "%{SERVER}", "%{RESOURCE}", "%{ENV:A}", "%{ENV:}", "%{ENV:A", "%{FOO}", "x%{GLOBAL}",
		"%{GLOBAL}x", "%{ENV:A}}", "%{global}",
	} {
		f.Add(template, "www.example.com", uint16(8080), "/a//b", false, "%{SERVER}", uint16(ExpandBuffer))
		f.Add(template, "", uint16(80), "", true, template, uint16(8))
	}
	f.Fuzz(func(t *testing.T, template, server string, port uint16, script string, ignoreCase bool, value string, size uint16) {
		if strings.Contains(template+server+script+value, "\x00") {
			t.Skip("C's strings have no NUL in them")
		}
		source := Source{ServerName: server, Port: uint(port), ScriptName: script, IgnoreCase: ignoreCase,
			Env: map[string]string{"A": value}}
		got, err := Expand(template, source, int(size))
		if !strings.HasPrefix(template, "%{") {
			require.NoError(t, err)
			require.Equal(t, template, got)
			return
		}
		if template == "%{ENV:A}" && !strings.HasPrefix(value, "%{") && err == nil {
			require.Equal(t, value, got)
			return
		}
		longest := len(server) + len(":65535|") + len(script)
		require.LessOrEqual(t, len(got), longest)
		if err == nil && template == "%{RESOURCE}" {
			require.NotContains(t, strings.TrimPrefix(got, server), "//")
		}
	})
}
