package tests

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const pathsConf = `
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /env "${APPS}/env/env.wsgi"
WSGIScriptAlias /dir/ "${APPS}/env/"
WSGIScriptAliasMatch "^/user/([a-z]+)/app" "${APPS}/env/env.wsgi"
WSGIScriptAliasMatch "^/named/([a-z]+)\.py" "${APPS}/$1/$1.wsgi"
<VirtualHost *>
  ServerName localhost
  AllowEncodedSlashes NoDecode
</VirtualHost>
<VirtualHost *>
  ServerName root.example.com
  WSGIScriptAlias / "${APPS}/env/env.wsgi"
</VirtualHost>
<Directory "${HTDOCS}">
  Options +ExecCGI
</Directory>
<Directory "${HTDOCS}/handled">
  AddHandler wsgi-script .py
</Directory>
<Directory "${HTDOCS}/all">
  SetHandler wsgi-script
</Directory>
`

// SCRIPT_NAME is the URL up to the script, PATH_INFO the rest, decoded; REQUEST_URI is what the client sent. Bytes that are not
// ASCII come as the latin-1 characters of their values (PEP 3333).
func TestEnvironPaths(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: pathsConf})
		copyApp(t, s, "env/env.wsgi", "htdocs/handled/env.py")
		copyApp(t, s, "env/env.wsgi", "htdocs/all/env")
		for _, test := range []struct{ host, url, script, info string }{
			{"localhost", "/env", "/env", ""},
			{"localhost", "/env/", "/env", "/"},
			{"localhost", "/env/a/b/", "/env", "/a/b/"},
			{"localhost", "/%65nv/%61?b=%63", "/env", "/a"},
			{"localhost", "/env/a%20b+c%3Fd%25", "/env", "/a b+c?d%"},
			{"localhost", "/env/a%2Fb", "/env", "/a%2Fb"},
			{"localhost", "/env/../env/a", "/env", "/a"},
			{"localhost", "/env/a/./b/../c", "/env", "/a/c"},
			{"localhost", "/env/%C3%A9/%E2%82%AC", "/env", "/\u00c3\u00a9/\u00e2\u0082\u00ac"},
			{"localhost", "/env/%ff%80", "/env", "/\u00ff\u0080"},
			{"localhost", "/env/a;b=c,d", "/env", "/a;b=c,d"},
			{"localhost", "/dir/env.wsgi", "/dir/env.wsgi", ""},
			{"localhost", "/dir/env.wsgi/a/", "/dir/env.wsgi", "/a/"},
			{"localhost", "/user/john/app", "/user/john/app", ""},
			{"localhost", "/user/john/app/x", "/user/john/app", "/x"},
			{"localhost", "/named/env.py", "/named/env.py", ""},
			{"localhost", "/named/env.py/x", "/named/env.py", "/x"},
			{"localhost", "/handled/env.py", "/handled/env.py", ""},
			{"localhost", "/handled/env.py/x%20y/", "/handled/env.py", "/x y/"},
			{"localhost", "/all/env", "/all/env", ""},
			{"localhost", "/all/env/x", "/all/env", "/x"},
			{"root.example.com", "/", "", "/"},
			{"root.example.com", "/x", "", "/x"},
			{"root.example.com", "/x/y/", "", "/x/y/"},
			{"root.example.com", "/%C3%A9?q", "", "/\u00c3\u00a9"},
		} {
			e := askEnviron(t, s, test.url, "Host: "+test.host)
			assert.Equal(t, test.script, e.Texts["SCRIPT_NAME"], test.url)
			assert.Equal(t, test.info, e.Texts["PATH_INFO"], test.url)
			assert.Equal(t, test.url, e.Texts["REQUEST_URI"], test.url)
			assert.Equal(t, test.script, e.Texts["mod_wsgi.script_name"], test.url)
			assert.Equal(t, test.info, e.Texts["mod_wsgi.path_info"], test.url)
		}
	})
}

// httpd has made one slash of many when we get to see the URL; REQUEST_URI keeps them.
func TestEnvironSlashes(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: environConf})
		for _, test := range []struct{ url, script, info string }{
			{"/env//a///b//", "/env", "/a/b/"},
			{"//env/a", "/env", "/a"},
			{"///env//", "/env", "/"},
		} {
			e := askEnviron(t, s, test.url)
			assert.Equal(t, test.script, e.Texts["SCRIPT_NAME"], test.url)
			assert.Equal(t, test.info, e.Texts["PATH_INFO"], test.url)
			assert.Equal(t, test.url, e.Texts["REQUEST_URI"], test.url)
		}
	})
}

// SCRIPT_FILENAME is a path: it decodes as Python decodes file names.
func TestEnvironFileNames(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := `
<Directory "${HTDOCS}">
  Options +ExecCGI
  SetHandler wsgi-script
</Directory>`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf, Env: []string{"PYTHONUTF8=1"}})
		copyApp(t, s, "env/env.wsgi", "htdocs/ü/é.wsgi")
		e := askEnviron(t, s, "/%C3%BC/%C3%A9.wsgi/x")
		assert.Equal(t, s.Path("htdocs/ü/é.wsgi"), e.Texts["SCRIPT_FILENAME"])
		assert.Equal(t, "/\u00c3\u00bc/\u00c3\u00a9.wsgi", e.Texts["SCRIPT_NAME"])
		assert.Equal(t, "/x", e.Texts["PATH_INFO"])
	})
}

// A directory's index may be a WSGI script.
func TestEnvironDirectoryIndex(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := `
DirectoryIndex index.wsgi
<Directory "${HTDOCS}">
  Options +ExecCGI
  AddHandler wsgi-script .wsgi
</Directory>`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf, Modules: []string{"dir"}})
		copyApp(t, s, "env/env.wsgi", "htdocs/sub/index.wsgi")
		e := askEnviron(t, s, "/sub/?q")
		assert.Equal(t, "/sub/index.wsgi", e.Texts["SCRIPT_NAME"])
		assert.Equal(t, "", e.Texts["PATH_INFO"])
		assert.Equal(t, "/sub/?q", e.Texts["REQUEST_URI"])
		assert.Equal(t, "q", e.Texts["QUERY_STRING"])
		assert.Equal(t, http.StatusMovedPermanently, s.Get("/sub").Status)
	})
}

// CONTEXT_PREFIX and CONTEXT_DOCUMENT_ROOT follow mod_alias.
func TestEnvironContext(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := `
Alias /elsewhere "${HTDOCS}/there"
<Directory "${HTDOCS}">
  Options +ExecCGI
  SetHandler wsgi-script
</Directory>`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf})
		copyApp(t, s, "env/env.wsgi", "htdocs/there/env.wsgi")
		e := askEnviron(t, s, "/elsewhere/env.wsgi/x")
		assert.Equal(t, "/elsewhere", e.Texts["CONTEXT_PREFIX"])
		assert.Equal(t, s.Path("htdocs/there"), e.Texts["CONTEXT_DOCUMENT_ROOT"])
		assert.Equal(t, s.Path("htdocs"), e.Texts["DOCUMENT_ROOT"])
		assert.Equal(t, "/elsewhere/env.wsgi", e.Texts["SCRIPT_NAME"])
	})
}
