package tests

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/directives"
	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// What is accepted and has no effect is said once at start, with the reason, wherever and however often it was given; requests are
// served as without it.
func TestWithoutEffect(t *testing.T) {
	t.Parallel()
	var lines, options, said []string
	for _, row := range directives.All() {
		if !row.Idle {
			continue
		}
		line := row.Name + " " + row.Default()
		if row.Where.Contexts()[0] != "server config" {
			line = "<Directory />\n" + line + "\n</Directory>"
		}
		lines, said = append(lines, line, line), append(said, row.Name+" has no effect")
	}
	for _, row := range directives.Options() {
		if row.Idle {
			options, said = append(options, row.Name+"="+row.Default()), append(said, "WSGIDaemonProcess: "+row.Name+"= has no effect")
		}
	}
	s := harness.Start(t, harness.Config{Mode: harness.Daemon.With(strings.Join(options, " ")), Conf: strings.Join(lines, "\n") + "\n" + helloConf})
	for _, line := range said {
		assert.Equal(t, 1, timesLogged(s, `\[gowsgi:info\] .*\] `+regexp.QuoteMeta(line)), line)
	}
	assertHello(t, s)

	s = harness.Start(t, harness.Config{Conf: helloConf})
	assert.Zero(t, timesLogged(s, "has no effect"))
}
