package tests

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// The contexts of httpd's manual, as wrappers around a directive.
const (
	mainServer = "%s"
	vhost      = "<VirtualHost *:80>\nServerName a.example.com\n%s\n</VirtualHost>"
	directory  = "<Directory /x>\n%s\n</Directory>"
	location   = "<Location /x>\n%s\n</Location>"
	files      = "<Files x>\n%s\n</Files>"
)

var serverContexts = []string{mainServer, vhost}
var directoryContexts = []string{directory, location, files}

// refused runs configtest on a configuration that must not pass, and returns the message and the line that it names.
func refused(t *testing.T, conf string) (message, line string) {
	t.Helper()
	out, err := harness.CheckConfig(t, harness.Config{Conf: conf})
	require.Error(t, err, "httpd accepts: %s", conf)
	match := regexp.MustCompile(`(?s)Syntax error on line (\d+) of (\S+):\n(.*)`).FindStringSubmatch(out)
	require.NotNil(t, match, "no file and line in: %s", out)
	assert.True(t, strings.HasSuffix(match[2], "/httpd.conf"), match[2])
	return strings.TrimSpace(match[3]), match[1]
}

func accepted(t *testing.T, conf string) {
	t.Helper()
	out, err := harness.CheckConfig(t, harness.Config{Conf: conf})
	require.NoError(t, err, "httpd refuses: %s\n%s", conf, out)
	assert.Contains(t, out, "Syntax OK")
}

// anywhere are directives that may stand in some contexts, each with a valid value.
var anywhere = []struct {
	conf     string
	contexts []string
}{
	{`WSGIScriptAlias / /x/app.wsgi`, serverContexts},
	{`WSGIScriptAliasMatch ^/([^/]+) /x/$1.wsgi`, serverContexts},
	{`WSGIDaemonProcess blog`, serverContexts},
	{`WSGIImportScript /x/app.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}`, serverContexts},
	{`WSGIApplicationGroup %{SERVER}`, append(serverContexts, directoryContexts...)},
	{`WSGIProcessGroup %{ENV:GROUP}`, append(serverContexts, directoryContexts...)},
	{`WSGIRestrictProcess bob:1 bob:2 %{GLOBAL}`, append(serverContexts, directoryContexts...)},
	{`WSGICallableObject %{ENV:NAME}`, append(serverContexts, directoryContexts...)},
	{`WSGIPassAuthorization On`, append(serverContexts, directoryContexts...)},
	{`WSGIChunkedRequest On`, append(serverContexts, directoryContexts...)},
	{`WSGIMapHEADToGET Off`, append(serverContexts, directoryContexts...)},
	{`WSGIErrorOverride On`, append(serverContexts, directoryContexts...)},
	{`WSGIIgnoreActivity On`, append(serverContexts, directoryContexts...)},
	{`WSGIEnableSendfile On`, append(serverContexts, directoryContexts...)},
	{`WSGIPassApacheRequest Off`, append(serverContexts, directoryContexts...)},
	{`WSGIScriptReloading Off`, append(serverContexts, directoryContexts...)},
	{`WSGIReloadMechanism Interpreter`, append(serverContexts, directoryContexts...)},
	{`WSGIAuthUserScript /x/auth.py application-group=%{SERVER}`, directoryContexts},
	{`WSGIAuthGroupScript /x/auth.py application-group=auth`, directoryContexts},
	{`WSGIAccessScript /x/auth.py`, directoryContexts},
	{`WSGIGroupAuthoritative Off`, directoryContexts},
	{`WSGICaseSensitivity Off`, []string{mainServer}},
	{`WSGIPythonHome /usr:/usr`, []string{mainServer}},
	{`WSGIPythonExecutable /usr/bin/python3`, []string{mainServer}},
	{`WSGIPythonPath "/x/a dir:/y"`, []string{mainServer}},
	{`WSGIPythonEggs /x`, []string{mainServer}},
	{`WSGIPythonOptimize 2`, []string{mainServer}},
	{`WSGIDontWriteBytecode On`, []string{mainServer}},
	{`WSGIPythonHashSeed random`, []string{mainServer}},
	{`WSGIPythonWarnings error::UserWarning`, []string{mainServer}},
	{`WSGISwitchInterval 0.001`, []string{mainServer}},
	{`WSGIDestroyInterpreter Off`, []string{mainServer}},
	{`WSGISocketRotation Off`, []string{mainServer}},
	{`WSGIVerboseDebugging On`, []string{mainServer}},
	{`WSGIServerMetrics On`, []string{mainServer}},
	{`WSGILazyInitialization On`, []string{mainServer}},
	{`WSGIRestrictEmbedded On`, []string{mainServer}},
	{`WSGIRestrictStdin Off`, []string{mainServer}},
	{`WSGIRestrictStdout Off`, []string{mainServer}},
	{`WSGIRestrictSignal Off`, []string{mainServer}},
	{`WSGISocketPrefix run/wsgi`, []string{mainServer}},
	{`WSGIAcceptMutex flock`, []string{mainServer}},
}

func TestConfigContexts(t *testing.T) {
	for _, context := range append(serverContexts, directoryContexts...) {
		var valid []string
		for _, d := range anywhere {
			conf := fmt.Sprintf(context, d.conf)
			allowed := false
			for _, c := range d.contexts {
				allowed = allowed || c == context
			}
			if allowed {
				valid = append(valid, d.conf)
				continue
			}
			message, _ := refused(t, conf)
			name, _, _ := strings.Cut(d.conf, " ")
			assert.Regexp(t, "^"+name+" (not allowed|cannot occur)", message, conf)
		}
		accepted(t, fmt.Sprintf(context, strings.Join(valid, "\n")))
	}
}

func TestConfigAccepts(t *testing.T) {
	accepted(t, strings.Join([]string{
		`WSGIScriptAlias /a run/app.wsgi`,
		`WSGIScriptAlias /b "/x/a b.wsgi" process-group=%{GLOBAL} application-group="%{ENV:A B}"`,
		`WSGIScriptAlias /c /x callable-object=main pass-authorization=on "application-group=my group"`,
		`WSGIScriptAliasMatch ^/d(/.*)? /x/app.wsgi$1 process-group=%{ENV:GROUP}`,
		`WSGIApplicationGroup "my group"`,
		`WSGICallableObject größe_2`,
		`WSGIScriptReloading oN`,
		`WSGIReloadMechanism module`,
		`WSGIAcceptMutex default`,
		`WSGIRestrictProcess %{GLOBAL}`,
		`WSGIDaemonProcess www.example.com`,
		`WSGIDaemonProcess bob:1 user=nobody group=#65534 processes=1 threads=25 umask=0022 home=/`,
		`WSGIDaemonProcess bob:2 user=#65534 supplementary-groups=daemon,#7 python-home=/a:/b "python-path=/a b:/c"`,
		`WSGIDaemonProcess bob:3 display-name=%{GROUP} stack-size=524288 send-buffer-size=0 receive-buffer-size=512`,
		`WSGIDaemonProcess bob:4 maximum-requests=0 inactivity-timeout=10 deadlock-timeout=0 shutdown-timeout=5`,
		`WSGIDaemonProcess bob:5 request-timeout=1 queue-timeout=1 connect-timeout=1 socket-timeout=1 startup-timeout=1`,
		`WSGIDaemonProcess bob:6 graceful-timeout=1 listen-backlog=5 lang=C locale=C.UTF-8 python-eggs=/x env-file=/x`,
		`WSGIDaemonProcess bob:7 env=A=1 env=B= env="C=two words" env=A=3 display-name='a b'`,
		`WSGIDaemonProcess bob:8 cpu-time-limit=5 cpu-priority=-20 memory-limit=1073741824 virtual-memory-limit=0 script-user=root`,
		`WSGIDaemonProcess bob:9 restart-interval=60 eviction-timeout=5 script-group=#0 socket-user=#0 switch-interval=0.001`,
		`WSGIImportScript lib/x.py application-group=a process-group=bob:1`,
	}, "\n"))
}

func TestConfigRefuses(t *testing.T) {
	for conf, want := range map[string]string{
		// Aliases.
		`WSGIScriptAlias`:                                       `WSGIScriptAlias: the URL-path is missing`,
		`WSGIScriptAlias /a`:                                    `WSGIScriptAlias: /a: the path of a file or directory is missing after it`,
		`WSGIScriptAlias a /x`:                                  `WSGIScriptAlias: a: not a URL-path, which begins with '/'`,
		`WSGIScriptAlias /a /x threads=5`:                       `WSGIScriptAlias /a: threads=5: unknown option`,
		`WSGIScriptAlias /a /x process-group`:                   `WSGIScriptAlias /a: process-group: an option without '=' and a value`,
		`WSGIScriptAlias /a /x process-group=`:                  `WSGIScriptAlias /a: process-group=: empty`,
		`WSGIScriptAlias /a /x callable-object=a.b`:             `WSGIScriptAlias /a: callable-object=a.b: a dotted path`,
		`WSGIScriptAlias /a /x pass-authorization=yes`:          `WSGIScriptAlias /a: pass-authorization=yes: neither On nor Off`,
		`WSGIScriptAlias /a /x application-group=%{HOST}`:       `WSGIScriptAlias /a: application-group=%{HOST}: not a variable here: a client would choose the name by its Host header; %{SERVER} is`,
		`WSGIScriptAlias /a /x process-group=a process-group=a`: `WSGIScriptAlias /a: process-group=a: given twice`,
		`WSGIScriptAliasMatch ^/([^/+ /x`:                       `WSGIScriptAliasMatch: ^/([^/+: not a regular expression`,
		`WSGIScriptAliasMatch ^/([^/]+) /x/$2`:                  `WSGIScriptAliasMatch ^/([^/]+): /x/$2: there is no group $2 in the regular expression`,
		// Values of one word.
		`WSGIPassAuthorization Maybe`:         `WSGIPassAuthorization Maybe: neither On nor Off`,
		`WSGIPassAuthorization`:               `WSGIPassAuthorization takes one argument: On|Off`,
		`WSGIPassAuthorization On Off`:        `WSGIPassAuthorization takes one argument: On|Off; 'Off' is too much`,
		`WSGIReloadMechanism Modul`:           `WSGIReloadMechanism Modul: not one of Module|Interpreter|Process`,
		`WSGIPassApacheRequest On`:            `WSGIPassApacheRequest On: only Off is possible: no application is given Apache's request record`,
		`WSGIPythonOptimize 3`:                `WSGIPythonOptimize 3: not a whole number from 0 to 2`,
		`WSGIPythonOptimize -1`:               `WSGIPythonOptimize -1: not a whole number from 0 to 2`,
		`WSGIPythonOptimize 1x`:               `WSGIPythonOptimize 1x: not a whole number from 0 to 2`,
		`WSGIAcceptMutex sem`:                 `WSGIAcceptMutex sem: not one of Default|flock|fcntl|sysvsem|posixsem|pthread`,
		`WSGIPythonHashSeed -1`:               `WSGIPythonHashSeed -1: neither 'random' nor a whole number from 0 to 4294967295`,
		`WSGIPythonHashSeed 4294967296`:       `WSGIPythonHashSeed 4294967296: neither 'random' nor a whole number`,
		`WSGIPythonWarnings eror`:             `WSGIPythonWarnings eror: its action is none of default, error,`,
		`WSGIPythonWarnings ignore,error`:     `WSGIPythonWarnings ignore,error: a comma; each filter has a directive of its own`,
		`WSGIPythonWarnings error:a:b:c:1:2`:  `WSGIPythonWarnings error:a:b:c:1:2: more than action:message:category:module:line`,
		`WSGISwitchInterval 0`:                `WSGISwitchInterval 0: not a number of seconds from 0.000001 to 3600`,
		`WSGISwitchInterval 1e-3`:             `WSGISwitchInterval 1e-3: not a number of seconds`,
		`WSGISwitchInterval .5`:               `WSGISwitchInterval .5: not a number of seconds`,
		`WSGIPythonHome venv`:                 `WSGIPythonHome venv: 'venv' is not an absolute path`,
		`WSGIPythonHome /a:/b:/c`:             `WSGIPythonHome /a:/b:/c: more than 2 paths`,
		`WSGIPythonHome ""`:                   `WSGIPythonHome "": empty`,
		`WSGIPythonPath /a::/b`:               `WSGIPythonPath /a::/b: a path is missing before or after ':'`,
		`WSGIPythonEggs eggs`:                 `WSGIPythonEggs eggs: not an absolute path`,
		`WSGICallableObject a.b`:              `WSGICallableObject a.b: a dotted path`,
		`WSGICallableObject 2nd`:              `WSGICallableObject 2nd: not a Python name`,
		`WSGICallableObject %{GLOBAL}`:        `WSGICallableObject %{GLOBAL}: not a variable that is known here; these are: %{ENV:variable}`,
		`WSGIApplicationGroup %{FOO}`:         `WSGIApplicationGroup %{FOO}: not a variable that is known here`,
		`WSGIApplicationGroup %{ENV:}`:        `WSGIApplicationGroup %{ENV:}: a variable's name is missing after %{ENV:`,
		`WSGIApplicationGroup %{HOST}`:        `WSGIApplicationGroup %{HOST}: not a variable here: a client would choose the name`,
		`WSGIProcessGroup %{HOST}`:            `WSGIProcessGroup %{HOST}: not a variable here`,
		`WSGIApplicationGroup a%{SERVER}`:     `WSGIApplicationGroup a%{SERVER}: %{...} can only be the whole value`,
		`WSGIProcessGroup %{SERVER`:           `WSGIProcessGroup %{SERVER: %{...} can only be the whole value`,
		`WSGIRestrictProcess`:                 `WSGIRestrictProcess: the names of process groups are missing`,
		`WSGIRestrictProcess a %{ENV:X}`:      `WSGIRestrictProcess: %{ENV:X}: not a name`,
		`WSGIImportScript`:                    `WSGIImportScript: the path of the script is missing`,
		`WSGIImportScript /x`:                 `WSGIImportScript /x: process-group=: missing, and it is required`,
		`WSGIImportScript /x process-group=a`: `WSGIImportScript /x: application-group=: missing, and it is required`,
		`WSGIImportScript /x process-group=%{ENV:A} application-group=a`:    `WSGIImportScript /x: process-group=%{ENV:A}: not a variable that is known here`,
		`WSGIImportScript /x process-group=a application-group=%{RESOURCE}`: `WSGIImportScript /x: application-group=%{RESOURCE}: not a variable`,
		// Daemon process groups.
		`WSGIDaemonProcess`:                                       `WSGIDaemonProcess: the name of the process group is missing`,
		`WSGIDaemonProcess threads=5`:                             `WSGIDaemonProcess: threads=5: not a name but an option`,
		`WSGIDaemonProcess "my blog"`:                             `WSGIDaemonProcess: my blog: not a name`,
		`WSGIDaemonProcess %{GLOBAL}`:                             `WSGIDaemonProcess: %{GLOBAL}: not a name`,
		`WSGIDaemonProcess blog threads=5abc`:                     `WSGIDaemonProcess blog: threads=5abc: not a whole number from 1 to 65534`,
		`WSGIDaemonProcess blog threads=0`:                        `WSGIDaemonProcess blog: threads=0: not a whole number from 1 to 65534`,
		`WSGIDaemonProcess blog threads=65535`:                    `WSGIDaemonProcess blog: threads=65535: not a whole number from 1 to 65534`,
		`WSGIDaemonProcess blog threads=99999999999999999999`:     `WSGIDaemonProcess blog: threads=99999999999999999999: not a whole number`,
		`WSGIDaemonProcess blog threads=`:                         `WSGIDaemonProcess blog: threads=: empty`,
		`WSGIDaemonProcess blog threads= 5`:                       `WSGIDaemonProcess blog: threads=: empty`,
		`WSGIDaemonProcess blog threads`:                          `WSGIDaemonProcess blog: threads: an option without '=' and a value`,
		`WSGIDaemonProcess blog threads=5 threads=5`:              `WSGIDaemonProcess blog: threads=5: given twice`,
		`WSGIDaemonProcess blog thread=5`:                         `WSGIDaemonProcess blog: thread=5: unknown option`,
		`WSGIDaemonProcess blog umask=0888`:                       `WSGIDaemonProcess blog: umask=0888: not an octal number from 0 to 0777`,
		`WSGIDaemonProcess blog umask=01000`:                      `WSGIDaemonProcess blog: umask=01000: not an octal number from 0 to 0777`,
		`WSGIDaemonProcess blog home=joe`:                         `WSGIDaemonProcess blog: home=joe: not an absolute path`,
		`WSGIDaemonProcess blog python-path=/a:b`:                 `WSGIDaemonProcess blog: python-path=/a:b: 'b' is not an absolute path`,
		`WSGIDaemonProcess blog send-buffer-size=511`:             `WSGIDaemonProcess blog: send-buffer-size=511: not 0 or a whole number from 512`,
		`WSGIDaemonProcess blog user=root`:                        `WSGIDaemonProcess blog: user=root: root, and applications are not run as root`,
		`WSGIDaemonProcess blog user=#00`:                         `WSGIDaemonProcess blog: user=#00: root`,
		`WSGIDaemonProcess blog user=#1x`:                         `WSGIDaemonProcess blog: user=#1x: not a number after '#'`,
		`WSGIDaemonProcess blog user=no-such-user`:                `WSGIDaemonProcess blog: user=no-such-user: no such user`,
		`WSGIDaemonProcess blog group=no-such-group`:              `WSGIDaemonProcess blog: group=no-such-group: no such group`,
		`WSGIDaemonProcess blog supplementary-groups=daemon,x-x`:  `WSGIDaemonProcess blog: supplementary-groups=daemon,x-x: 'x-x': no such group`,
		`WSGIDaemonProcess blog cpu-priority=-21`:                 `WSGIDaemonProcess blog: cpu-priority=-21: not a whole number from -20 to 19`,
		`WSGIDaemonProcess blog cpu-priority=--1`:                 `WSGIDaemonProcess blog: cpu-priority=--1: not a whole number from -20 to 19`,
		`WSGIDaemonProcess blog threads=-1`:                       `WSGIDaemonProcess blog: threads=-1: not a whole number from 1`,
		`WSGIDaemonProcess blog memory-limit=512`:                 `WSGIDaemonProcess blog: memory-limit=512: not 0 or a whole number from 1048576`,
		`WSGIDaemonProcess blog script-user=root script-group=#0`: `WSGIDaemonProcess blog: script-group=#0: only one of script-user= and script-group= can be given`,
		`WSGIDaemonProcess blog env=A`:                            `WSGIDaemonProcess blog: env=A: not NAME=value`,
		`WSGIDaemonProcess blog env=1A=b`:                         `WSGIDaemonProcess blog: env=1A=b: not NAME=value`,
	} {
		message, _ := refused(t, conf)
		assert.True(t, strings.HasPrefix(message, want), "%s\nwant: %s\ngot:  %s", conf, want, message)
	}
}

// A directive of the access scripts is refused in its own words, too.
func TestConfigRefusesInSections(t *testing.T) {
	for conf, want := range map[string]string{
		`WSGIAuthUserScript`:                                   `WSGIAuthUserScript: the path of the script is missing`,
		`WSGIAccessScript /x process-group=a`:                  `WSGIAccessScript /x: process-group=a: unknown option`,
		`WSGIAuthGroupScript /x application-group=%{RESOURCE}`: `WSGIAuthGroupScript /x: application-group=%{RESOURCE}: not a variable that is known here`,
	} {
		message, _ := refused(t, fmt.Sprintf(directory, conf))
		assert.True(t, strings.HasPrefix(message, want), "%s\nwant: %s\ngot:  %s", conf, want, message)
	}
}

// A second daemon process group of a name is refused, wherever it is; the message tells where the first one is.
func TestConfigDaemonNamesAreUnique(t *testing.T) {
	for _, context := range serverContexts {
		conf := "WSGIDaemonProcess blog\n" + fmt.Sprintf(context, "WSGIDaemonProcess blog")
		message, second := refused(t, conf)
		pattern := `^WSGIDaemonProcess: blog: a process group of this name is declared on line (\d+) of \S+/httpd.conf already`
		match := regexp.MustCompile(pattern).FindStringSubmatch(message)
		require.NotNil(t, match, message)
		assert.NotEqual(t, second, match[1])
	}
}

// In a .htaccess file a directive needs its override, and a wrong value is a 500 for that folder with a line in the log.
func TestConfigHtaccess(t *testing.T) {
	overrides := map[string][]string{
		"FileInfo": {"WSGICallableObject a", "WSGIPassAuthorization On", "WSGIChunkedRequest On", "WSGIScriptReloading Off",
			"WSGIReloadMechanism Process", "WSGIMapHEADToGET On", "WSGIErrorOverride On",
			"WSGIIgnoreActivity On", "WSGIEnableSendfile On"},
		"AuthConfig": {"WSGIAuthUserScript /x", "WSGIAuthGroupScript /x", "WSGIGroupAuthoritative On", "WSGIAccessScript " + strconv.Quote(harness.App(t, "auth/script.py"))},
		"":           {"WSGIApplicationGroup a", "WSGIProcessGroup a", "WSGIRestrictProcess a", "WSGIScriptAlias / /x", "WSGIPythonOptimize 1"},
	}
	for override := range overrides {
		if override == "" {
			continue
		}
		s := harness.Start(t, harness.Config{Conf: "<Directory ${HTDOCS}>\nAllowOverride " + override + "\n</Directory>"})
		n := 0
		for needs, list := range overrides {
			for _, conf := range list {
				n++
				folder := fmt.Sprintf("d%d", n)
				s.WriteFile("htdocs/"+folder+"/.htaccess", conf+"\n")
				s.WriteFile("htdocs/"+folder+"/a.txt", "text")
				want := http.StatusOK
				if needs != override {
					want = http.StatusInternalServerError
					name, _, _ := strings.Cut(conf, " ")
					s.Expect(regexp.QuoteMeta("/"+folder+"/.htaccess: "+name) + " not allowed here")
				}
				assert.Equal(t, want, s.Get("/"+folder+"/a.txt").Status, "%s with AllowOverride %s", conf, override)
			}
		}
		if override == "FileInfo" {
			s.WriteFile("htdocs/bad/.htaccess", "WSGIPassAuthorization Perhaps\n")
			s.Expect(`/bad/\.htaccess: WSGIPassAuthorization Perhaps: neither On nor Off`)
			assert.Equal(t, http.StatusInternalServerError, s.Get("/bad/").Status)
		}
	}
}

// Loaded under both of its names, the module reads each directive once.
func TestConfigLoadedTwice(t *testing.T) {
	accepted(t, fmt.Sprintf("LoadModule wsgi_module %q\n", harness.Module(t))+
		"WSGIDaemonProcess blog\nWSGICallableObject main\n<Directory /x>\nWSGIAccessScript /x\n</Directory>")
}

const inheritConf = `
WSGICallableObject server
<Directory ${HTDOCS}>
SetHandler wsgi-script
Options ExecCGI
AllowOverride FileInfo
</Directory>
<Directory ${HTDOCS}/directory>
WSGICallableObject directory
</Directory>
<VirtualHost *>
ServerName localhost
</VirtualHost>
<VirtualHost *>
ServerName vhost.example.com
WSGICallableObject vhost
</VirtualHost>
`

// The innermost place that says something wins: server, virtual host, directory, .htaccess.
func TestConfigInheritance(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: inheritConf})
		script := "def server(environ, start_response):\n" +
			"    start_response('200 OK', [('Content-Type', 'text/plain')])\n" +
			"    return [environ['mod_wsgi.callable_object'].encode()]\n" +
			"vhost = directory = htaccess = server\n"
		for _, folder := range []string{"plain", "directory", "directory/htaccess"} {
			s.WriteFile("htdocs/"+folder+"/a.wsgi", script)
		}
		s.WriteFile("htdocs/directory/htaccess/.htaccess", "WSGICallableObject htaccess\n")
		for _, test := range []struct{ host, folder, want string }{
			{"localhost", "plain", "server"},
			{"vhost.example.com", "plain", "vhost"},
			{"localhost", "directory", "directory"},
			{"vhost.example.com", "directory", "directory"},
			{"localhost", "directory/htaccess", "htaccess"},
			{"vhost.example.com", "directory/htaccess", "htaccess"},
		} {
			req := s.Request(http.MethodGet, "/"+test.folder+"/a.wsgi", nil)
			req.Host = test.host
			assert.Equal(t, test.want, s.Do(req).Body, "%s on %s", test.folder, test.host)
		}
	})
}
