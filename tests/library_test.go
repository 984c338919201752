package tests

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about the two files of the module: the names that the first is loaded by, and what happens when the second is not
// there or not of the same build.

func TestModuleNames(t *testing.T) {
	t.Parallel()
	for name, conf := range map[string]string{
		"wsgi_module":   "<IfModule wsgi_module>\n" + helloConf + "\n</IfModule>",
		"wsgi_module ":  "<IfModule mod_wsgi.c>\n" + helloConf + "\n</IfModule>",
		"gowsgi_module": "<IfModule gowsgi_module>\n" + helloConf + "\n</IfModule>",
	} {
		t.Run(name, func(t *testing.T) {
			s := harness.Start(t, harness.Config{ModuleName: name, Conf: conf})
			assertHello(t, s)
			s.Graceful()
			assertHello(t, s)
			s.Restart()
			assertHello(t, s)
		})
	}
	s := harness.Start(t, harness.Config{Conf: "<IfModule wsgi_module>\nNoSuchDirective\n</IfModule>\n" + helloConf})
	assertHello(t, s)
}

func TestModuleLoadedByBothNames(t *testing.T) {
	conf := `LoadModule wsgi_module "` + harness.Module(t) + "\"\n" + helloConf
	out, err := harness.CheckConfig(t, harness.Config{Conf: conf})
	require.NoError(t, err)
	assert.Contains(t, out, "GWSGI0104: ")
	s := harness.Start(t, harness.Config{Conf: conf})
	s.Expect(`GWSGI0104: mod_gowsgi.so is loaded as mod_gowsgi.c and as mod_wsgi.c`)
	assertHello(t, s)
	s.Graceful()
	assertHello(t, s)
}

// libraries that are no library for this module; nil text: there is none.
func brokenLibraries(t *testing.T) map[string]func(dir string) {
	library := harness.Library(t)
	return map[string]func(dir string){
		`cannot be opened: .*No such file`: func(string) {},
		`it is cut off`: func(dir string) {
			writeHalf(t, library, dir+"/"+filepath.Base(harness.Library(t)))
		},
		`cannot be opened: .*(invalid ELF|not an ELF|wrong ELF)`: func(dir string) {
			writeFile(t, dir+"/"+filepath.Base(harness.Library(t)), strings.Repeat("This is no library. ", 100))
		},
		`lacks the function gowsgi_go_wait`: func(dir string) {
			compileLibrary(t, dir, `const void *gowsgi_abi_describe(void) { return 0; }`)
		},
		`speaks interface 999 \(mod_gowsgi 9.8.7\) and mod_gowsgi.so interface \d+ \(mod_gowsgi `: func(dir string) {
			compileLibrary(t, dir, `
				#include "gowsgi_abi.h"
				static const gowsgi_abi_info info = { .abi_version = 999, .version = "9.8.7", .python = "3.99" };
				const gowsgi_abi_info *gowsgi_abi_describe(void) { return &info; }`+otherFunctions)
		},
		`was built for Python 3.99 and its name says `: func(dir string) {
			compileLibrary(t, dir, `
				#include "gowsgi_abi.h"
				static const gowsgi_abi_info info = { .abi_version = GOWSGI_ABI_VERSION, .version = GOWSGI_VERSION, .python = "3.99" };
				const gowsgi_abi_info *gowsgi_abi_describe(void) { return &info; }`+otherFunctions)
		},
	}
}

// writeHalf copies a file as far as a copy gets that is interrupted.
func writeHalf(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, text[:len(text)/2], 0o644))
}

// otherFunctions are what the module looks up and must not call.
const otherFunctions = `
	#include <stdlib.h>
	void gowsgi_go_wait(void) {}
	int gowsgi_process_start(const gowsgi_process_config *config) { abort(); }
	void gowsgi_process_stop(void) { abort(); }
	gowsgi_outcome gowsgi_request_serve(gowsgi_request *request) { abort(); }
	gowsgi_answer gowsgi_hook_call(gowsgi_hook *hook) { abort(); }
	void gowsgi_counters_read(gowsgi_counters *out) { abort(); }
`

func compileLibrary(t *testing.T, dir, source string) {
	t.Helper()
	writeFile(t, dir+"/library.c", source)
	out, err := exec.Command("cc", "-shared", "-fPIC", "-I", harness.Source("c"), "-o", dir+"/"+filepath.Base(harness.Library(t)), dir+"/library.c").CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestLibraryThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile(harness.Module(t))
	require.NoError(t, err)
	for problem, make := range brokenLibraries(t) {
		t.Run(problem, func(t *testing.T) {
			dir := publicDir(t)
			writeFile(t, dir+"/mod_gowsgi.so", string(module))
			make(dir)
			s := harness.Start(t, harness.Config{Module: dir + "/mod_gowsgi.so", Children: 2, Conf: helloConf})
			s.Expect(`GWSGI0102: `+dir+`/`+filepath.Base(harness.Library(t))+` cannot be used: .*`+problem, `GWSGI0208: .*/hello.wsgi cannot be run`)
			before := s.Children()
			for range 10 {
				assert.Equal(t, http.StatusInternalServerError, s.Get("/hello").Status)
				assert.Equal(t, "static\n", s.Get("/").Body)
			}
			assert.Equal(t, before, s.Children(), "a child died")
			assert.Equal(t, 1, timesLogged(s, "GWSGI0102: "), "said once for all children")
			s.Graceful()
			assert.Equal(t, http.StatusInternalServerError, s.Get("/hello").Status)
		})
	}
}

// The program of daemon processes says what is wrong with such a library, and is ended by no signal.
func TestLibraryCutOffUnderDaemonProcesses(t *testing.T) {
	t.Parallel()
	dir, built := publicDir(t), filepath.Dir(harness.Module(t))
	for _, name := range []string{"mod_gowsgi.so", "gowsgid"} {
		text, err := os.ReadFile(filepath.Join(built, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o755))
	}
	writeHalf(t, harness.Library(t), dir+"/"+filepath.Base(harness.Library(t)))
	s := harness.Start(t, harness.Config{Module: dir + "/mod_gowsgi.so", Conf: optionsConf("connect-timeout=1") + "\nWSGIRestrictEmbedded On"})
	s.Expect(`GWSGI0900: .* cannot start: `+dir+`/`+filepath.Base(harness.Library(t))+`: it is cut off`, `GWSGI1102: .* ended unexpectedly with exit status 1; `, `GWSGI1112: `)
	assert.Equal(t, http.StatusServiceUnavailable, s.Get("/main/gil").Status)
	assert.Equal(t, "static\n", s.Get("/").Body)
	s.WaitLog(`GWSGI1102: `)
}
