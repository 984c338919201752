// This file tests the rows of both tables.

package directives

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// documented is what the directives and options of mod_wsgi's reference are, as far as its text tells: name, contexts
// (m: server config, v: virtual host, d: directory, h: .htaccess), override, default.
var documented = map[string]struct{ contexts, override, def string }{
	"WSGIScriptAlias":        {"mv", "", ""},
	"WSGIScriptAliasMatch":   {"mv", "", ""},
	"WSGIApplicationGroup":   {"mvd", "", "%{RESOURCE}"},
	"WSGIDaemonProcess":      {"mv", "", ""},
	"WSGISocketPrefix":       {"m", "", ""},
	"WSGIProcessGroup":       {"mvd", "", "%{GLOBAL}"},
	"WSGIRestrictProcess":    {"mvd", "", ""},
	"WSGIDispatchScript":     {"mvd", "", ""},
	"WSGIImportScript":       {"mv", "", ""},
	"WSGICallableObject":     {"mvdh", "FileInfo", "application"},
	"WSGIPassAuthorization":  {"mvdh", "FileInfo", "Off"},
	"WSGIChunkedRequest":     {"mvdh", "FileInfo", "Off"},
	"WSGIMapHEADToGET":       {"mvdh", "FileInfo", "Auto"},
	"WSGIErrorOverride":      {"mvdh", "FileInfo", "Off"},
	"WSGIIgnoreActivity":     {"mvdh", "FileInfo", "Off"},
	"WSGIDestroyInterpreter": {"m", "", "On"},
	"WSGIAuthUserScript":     {"dh", "AuthConfig", ""},
	"WSGIAuthGroupScript":    {"dh", "AuthConfig", ""},
	"WSGIAccessScript":       {"dh", "AuthConfig", ""},
	"WSGIScriptReloading":    {"mvdh", "FileInfo", "On"},
	"WSGIReloadMechanism":    {"mvdh", "FileInfo", "Process"},
	"WSGICaseSensitivity":    {"m", "", "On"},
	"WSGIPythonOptimize":     {"m", "", "0"},
	"WSGIDontWriteBytecode":  {"m", "", "Off"},
	"WSGIPythonHashSeed":     {"m", "", ""},
	"WSGIPythonWarnings":     {"m", "", ""},
	"WSGISwitchInterval":     {"m", "", ""},
	"WSGIPythonExecutable":   {"m", "", ""},
	"WSGIPythonHome":         {"m", "", ""},
	"WSGIPythonPath":         {"m", "", ""},
	"WSGIPythonEggs":         {"m", "", ""},
	"WSGIRestrictEmbedded":   {"m", "", "Off"},
	"WSGIRestrictStdin":      {"m", "", "On"},
	"WSGIRestrictStdout":     {"m", "", "On"},
	"WSGIRestrictSignal":     {"m", "", "On"},
	"WSGIAcceptMutex":        {"m", "", "Default"},
	"WSGISocketRotation":     {"m", "", "On"},
	"WSGIEnableSendfile":     {"mvdh", "FileInfo", "Off"},
	"WSGIPassApacheRequest":  {"mvd", "", "Off"},
	"WSGIGroupAuthoritative": {"dh", "AuthConfig", "On"},
	"WSGIVerboseDebugging":   {"m", "", "Off"},
	"WSGIServerMetrics":      {"m", "", "Off"},
	"WSGILazyInitialization": {"m", "", "On"},
}

var documentedOptions = map[string]string{
	"user": "", "group": "", "processes": "1", "threads": "15", "umask": "", "home": "", "python-path": "",
	"python-eggs": "", "stack-size": "", "maximum-requests": "0", "inactivity-timeout": "0", "deadlock-timeout": "300",
	"shutdown-timeout": "5", "display-name": "", "receive-buffer-size": "0", "send-buffer-size": "0",

	"request-timeout": "0", "queue-timeout": "0", "connect-timeout": "15", "socket-timeout": "0", "startup-timeout": "0",
	"graceful-timeout": "15", "listen-backlog": "100", "python-home": "", "lang": "", "locale": "",
	"cpu-priority": "0", "memory-limit": "0", "virtual-memory-limit": "0", "cpu-time-limit": "0", "restart-interval": "0",
	"eviction-timeout": "0", "script-user": "", "script-group": "", "socket-user": "",
	"header-buffer-size": "0", "response-buffer-size": "0", "response-socket-timeout": "0", "response-flush-delay": "5",
	"server-metrics": "Off", "supplementary-groups": "", "switch-interval": "", "env": "", "env-file": "",

	"python": "", // no other server has it
}

func TestDirectives(t *testing.T) {
	letters := map[string]string{"server config": "m", "virtual host": "v", "directory": "d", ".htaccess": "h"}
	seen := map[string]bool{}
	for _, row := range All() {
		assert.False(t, seen[row.Name], "%s has two rows", row.Name)
		seen[row.Name] = true
		want, ok := documented[row.Name]
		if !assert.True(t, ok, "%s is not documented", row.Name) {
			continue
		}
		var contexts string
		for _, context := range row.Where.Contexts() {
			contexts += letters[context]
		}
		assert.Equal(t, want.contexts, contexts, row.Name)
		assert.Equal(t, want.override, row.Where.Override(), row.Name)
		assert.Equal(t, want.def, row.Default(), row.Name)
	}
	assert.Len(t, seen, len(documented), "a directive has no row")
}

func TestOptions(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range Options() {
		assert.False(t, seen[row.Name], "%s has two rows", row.Name)
		seen[row.Name] = true
		want, ok := documentedOptions[row.Name]
		assert.True(t, ok, "%s is not documented", row.Name)
		assert.Equal(t, want, row.Default(), row.Name)
	}
	assert.Len(t, seen, len(documentedOptions), "an option has no row")
}

// What every row must have to be useful in a message, in httpd -L and in README.md.
func TestRowsAreComplete(t *testing.T) {
	for _, row := range append(All(), Options()...) {
		assert.NotEmpty(t, row.Syntax, row.Name)
		assert.True(t, strings.HasSuffix(row.Help, "."), "%s: help is sentences", row.Name)
		assert.False(t, strings.Contains(row.Help, "  "), "%s: two spaces in its help", row.Name)
		assert.Equal(t, row.Idle, strings.HasPrefix(row.Help, "Has no effect"), row.Name)
		switch row.Kind {
		case Number, NumberOr0, Seconds, Seed, Octal, Paths:
			assert.Greater(t, row.Max, row.Min, row.Name)
		case Keyword, Mutex:
			require.NotEmpty(t, row.Keywords, row.Name)
			assert.Equal(t, strings.Join(row.Keywords, "|"), row.Syntax, row.Name)
		}
		if row.Default() != "" && (row.Kind == Number || row.Kind == Octal) {
			assert.True(t, row.Num >= row.Min && row.Num <= row.Max, "%s: its default is out of its range", row.Name)
		}
	}
}

func TestTableHash(t *testing.T) {
	assert.NotZero(t, TableHash())
	assert.Equal(t, TableHash(), TableHash())
}
