package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/directives"
	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// wrongArguments are arguments that a directive must refuse, beside none at all.
var wrongArguments = map[string][]string{
	"WSGIScriptAlias":        {"/a", "a /x", "/a /x nonsense=1"},
	"WSGIScriptAliasMatch":   {"^/a", "^/([^/+ /x", "^/a /x$1"},
	"WSGICallableObject":     {"a.b", "1a", "%{SERVER}", "a b"},
	"WSGIApplicationGroup":   {"%{NONSENSE}", "a%{SERVER}", "a b"},
	"WSGIImportScript":       {"/x", "/x process-group=a", "/x application-group=a", "/x process-group=a application-group=a nonsense=1"},
	"WSGIDaemonProcess":      {"%{GLOBAL}", "a nonsense=1", "a threads"},
	"WSGIProcessGroup":       {"%{NONSENSE}", "%{ENV:}", "a b"},
	"WSGIRestrictProcess":    {"%{ENV:A}", "a %{SERVER}"},
	"WSGIDispatchScript":     {"/x process-group=a", "/x application-group="},
	"WSGISocketPrefix":       {`""`, "a b"},
	"WSGIAcceptMutex":        {"nonsense", "flock fcntl"},
	"WSGIReloadMechanism":    {"Reload", "Module Process"},
	"WSGIAuthUserScript":     {"/x process-group=a", "/x application-group="},
	"WSGIAuthGroupScript":    {"/x process-group=a", "/x application-group="},
	"WSGIAccessScript":       {"/x process-group=a", "/x application-group="},
	"WSGIPythonHome":         {"relative", "/a:/b:/c"},
	"WSGIPythonExecutable":   {"python3", "/a /b"},
	"WSGIPythonPath":         {"relative", "/a::/b", "/a /b"},
	"WSGIPythonEggs":         {"relative", "/a /b"},
	"WSGIPythonOptimize":     {"3", "-1", "O", "1 1"},
	"WSGIDontWriteBytecode":  onOrOff,
	"WSGIPythonHashSeed":     {"Random", "-1", "4294967296", "1 2"},
	"WSGIPythonWarnings":     {"nonsense", "ignore,error", "error error"},
	"WSGISwitchInterval":     {"0", "-1", "1e-3", "0.0000001", "3601", "1 2"},
	"WSGISocketRotation":     onOrOff,
	"WSGIEnableSendfile":     onOrOff,
	"WSGIPassApacheRequest":  {"On", "Yes", "Off Off"},
	"WSGIGroupAuthoritative": onOrOff,
	"WSGIVerboseDebugging":   onOrOff,
	"WSGIServerMetrics":      onOrOff,
	"WSGIRestrictEmbedded":   onOrOff,
	"WSGIPassAuthorization":  onOrOff,
	"WSGIChunkedRequest":     onOrOff,
	"WSGIErrorOverride":      onOrOff,
	"WSGIMapHEADToGET":       {"Yes", "1", "On Off"},
	"WSGIIgnoreActivity":     onOrOff,
	"WSGIDestroyInterpreter": onOrOff,
	"WSGIScriptReloading":    onOrOff,
	"WSGICaseSensitivity":    onOrOff,
	"WSGILazyInitialization": onOrOff,
	"WSGIRestrictStdin":      onOrOff,
	"WSGIRestrictStdout":     onOrOff,
	"WSGIRestrictSignal":     onOrOff,
}

var onOrOff = []string{"Yes", "1", "On Off"}

// wrongValues are values that an option of WSGIDaemonProcess must refuse, beside none.
var wrongValues = map[string][]string{
	"user":                 {"root", "#0", "no-such-user", "#x"},
	"group":                {"no-such-group", "#x"},
	"supplementary-groups": {"no-such-group", "daemon,,#7"},
	"umask":                {"0888", "01000", "-1"},
	"home":                 {"relative"},
	"env":                  {"NAME", "1A=b"},
	"env-file":             {"relative"},
	"python":               {"relative", "3", "3.99", "/no/such/python", "/dev/null"},
	"python-home":          {"relative", "/a:/b:/c"},
	"python-path":          {"relative", "/a::/b"},
	"python-eggs":          {"relative"},
	"receive-buffer-size":  {"511", "-1", "x"},
	"send-buffer-size":     {"511", "-1", "x"},
	"switch-interval":      {"0", "-1", "1e-3", "0.0000001", "3601", "x"},
	"memory-limit":         {"1048575", "-1", "x"},
	"virtual-memory-limit": {"1048575", "-1", "x"},
	"cpu-priority":         {"-21", "20", "1.5", "x"},
	"script-user":          {"no-such-user", "#x"},
	"script-group":         {"no-such-group", "#x"},
	"socket-user":          {"no-such-user", "#x"},
	"header-buffer-size":   {"8191", "-1", "x"},
	"response-buffer-size": {"65535", "-1", "x"},
	"server-metrics":       {"Yes", "1"},
	"lang":                 nil,
	"locale":               nil,
	"display-name":         nil,
}

// Every directive refuses what it cannot take, in a place where it may stand, and says its own name.
func TestSeedWrongArguments(t *testing.T) {
	for _, row := range directives.All() {
		wrong, listed := wrongArguments[row.Name]
		assert.True(t, listed, "nothing wrong is known of %s", row.Name)
		context := "%s"
		if row.Where.Contexts()[0] != "server config" {
			context = directory
		}
		for _, arguments := range append(wrong, "") {
			message, _ := refused(t, fmt.Sprintf(context, row.Name+" "+arguments))
			assert.True(t, strings.HasPrefix(message, row.Name), "%s %s: %s", row.Name, arguments, message)
		}
	}
}

// So does every option; what a message is about is in it.
func TestSeedWrongValues(t *testing.T) {
	for _, row := range directives.Options() {
		wrong, listed := wrongValues[row.Name]
		if !listed {
			assert.Equal(t, directives.Number, row.Kind, "nothing wrong is known of %s=", row.Name)
			wrong = []string{"x", "-1", "1.5", "99999999999"}
		}
		for _, value := range append(wrong, "") {
			option := row.Name + "=" + value
			message, _ := refused(t, "WSGIDaemonProcess blog "+option)
			assert.True(t, strings.HasPrefix(message, "WSGIDaemonProcess blog: "+option), "%s: %s", option, message)
		}
	}
}

// In a .htaccess file a directive of the server, or of directories only, is an error for that folder and no other.
func TestSeedHtaccessRefuses(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: "<Directory ${HTDOCS}>\nAllowOverride All\n</Directory>"})
	for _, row := range directives.All() {
		folder := strings.ToLower(row.Name)
		s.WriteFile("htdocs/"+folder+"/a.txt", "text")
		s.WriteFile("htdocs/"+folder+"/.htaccess", row.Name+"\n")
		want := "/" + folder + `/\.htaccess: ` + row.Name + ` not allowed here`
		if row.Where.Override() != "" {
			want = "/" + folder + `/\.htaccess: ` + row.Name // it may stand here, with an argument
		}
		s.Expect(want)
		assert.Equal(t, 500, s.Get("/"+folder+"/a.txt").Status, row.Name)
	}
	assert.Equal(t, "static\n", s.Get("/").Body)
}
