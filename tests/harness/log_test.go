package harness

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	stamp       = "[Sat Nov 22 13:30:01.123456 2025] "
	noticeLine  = stamp + "[mpm_event:notice] [pid 7:tid 8] AH00489: Apache/2.4.71 (Debian) configured -- resuming normal operations"
	errorLine   = stamp + "[gowsgi:error] [pid 7:tid 8] [client 127.0.0.1:4] GWSGI0601: it failed"
	statusLine  = stamp + "[core:warn] [pid 7:tid 8] (104)Connection reset by peer: [client 127.0.0.1:4] AH00100: oops"
	sourceLine  = stamp + "[core:debug] [pid 7:tid 8] mod_x.c(12): AH00101: detail"
	crashedLine = stamp + "[core:notice] [pid 7:tid 8] AH00052: child pid 9 exit signal Segmentation fault (11)"
	workerLine  = stamp + "[gowsgi:error] [pid 7:tid 7] GWSGI0902: worker 9 of process group 'x' ended with signal 11"
	preforkLine = stamp + "[core:crit] [pid 7] AH00102: no thread here"
)

func TestParseLine(t *testing.T) {
	for _, c := range []struct{ text, module, level, message string }{
		{errorLine, "gowsgi", "error", "GWSGI0601: it failed"},
		{statusLine, "core", "warn", "AH00100: oops"},
		{sourceLine, "core", "debug", "AH00101: detail"},
		{workerLine, "gowsgi", "error", "GWSGI0902: worker 9 of process group 'x' ended with signal 11"},
		{preforkLine, "core", "crit", "AH00102: no thread here"},
		{"Fatal Python error: oh", "", "", "Fatal Python error: oh"},
		{stamp + "[x:error] [pid 1:tid 2]     raise Boom", "x", "error", "    raise Boom"},
	} {
		got := ParseLine(c.text)
		assert.Equal(t, Line{Text: c.text, Module: c.module, Level: c.level, Message: c.message}, got)
	}
}

func TestParseLogDropsEmptyLines(t *testing.T) {
	lines := ParseLog("\n" + noticeLine + "\n\n" + errorLine + "\n")
	require.Len(t, lines, 2)
	assert.False(t, lines[0].Alarming())
	assert.True(t, lines[1].Alarming())
}

func TestCheckLog(t *testing.T) {
	for _, c := range []struct {
		name    string
		lines   string
		declare func(*declarations)
		want    []string
	}{
		{name: "quiet", lines: noticeLine + "\n" + sourceLine},
		{name: "undeclared", lines: errorLine, want: []string{"not declared: " + errorLine}},
		{name: "not httpd's format", lines: "panic: boo", want: []string{"not declared: panic: boo"}},
		{name: "expected", lines: errorLine, declare: func(d *declarations) { d.expect("GWSGI0601") }},
		{name: "expected in vain", lines: noticeLine, declare: func(d *declarations) { d.expect("GWSGI0602") },
			want: []string{"expected, but never logged: GWSGI0602"}},
		{name: "allowed", lines: noticeLine, declare: func(d *declarations) { d.allow("GWSGI0602") }},
		{name: "one line, two expectations", lines: errorLine,
			declare: func(d *declarations) { d.expect("GWSGI0601", "it failed") }},
		{name: "harmless lines may be expected", lines: noticeLine, declare: func(d *declarations) { d.expect("AH00489") }},
		{name: "crash", lines: crashedLine, want: []string{"a process crashed: " + crashedLine}},
		{name: "crash of a daemon process", lines: workerLine, want: []string{"a process crashed: " + workerLine}},
		{name: "crash of a daemon process that may be", lines: workerLine, declare: func(d *declarations) { d.mayCrash = true }},
		{name: "crash that may be", lines: crashedLine, declare: func(d *declarations) { d.mayCrash = true }},
		{name: "crash that is expected", lines: crashedLine, declare: func(d *declarations) { d.expect("exit signal") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d declarations
			if c.declare != nil {
				c.declare(&d)
			}
			assert.Equal(t, c.want, d.check(ParseLog(c.lines)))
		})
	}
}

func TestExpectTraceback(t *testing.T) {
	prefix := stamp + "[gowsgi:error] [pid 7:tid 8] [client 127.0.0.1:4] "
	log := prefix + "Traceback (most recent call last):\n" +
		prefix + "  File \"/a/b.wsgi\", line 3, in application\n" +
		prefix + "    raise ValueError(\"boom\")\n" +
		prefix + "    ^^^^^^^^^^^^^^^^^^^^^^^^\n" +
		prefix + "ValueError: boom\n"
	var d declarations
	d.expectTraceback("ValueError: boom")
	assert.Empty(t, d.check(ParseLog(log)))

	var other declarations
	other.expectTraceback("KeyError: 'x'")
	assert.Len(t, other.check(ParseLog(log)), 2, "the last line is not the one declared, and that never came")
}
