// This file tests the contenders of the mode pythons.
package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func keysOf(list []contender) []string {
	var keys []string
	for _, c := range list {
		keys = append(keys, c.key)
	}
	return keys
}

// Those whose library was not built are skipped, a line for each library, and nothing is missing.
func TestPythonsSkipped(t *testing.T) {
	build := t.TempDir()
	for _, name := range []string{"mod_gowsgi.so", "gowsgid", "libgowsgi-3.11.so", "libgowsgi-3.13t.so"} {
		require.NoError(t, os.WriteFile(filepath.Join(build, name), nil, 0o644))
	}
	p := plan{mode: modeNamed(modePythons)}
	p.chooseWorkloads(nil)
	all := contenders(options{build: build}, tools{})
	p.chooseContenders([]string{"python3.11", "python3.13", "python3.13-own-gil", "python3.13t-no-gil"}, all)
	assert.Equal(t, []string{"python3.11", "python3.13t-no-gil"}, keysOf(p.contenders))
	assert.Empty(t, p.missing)
	require.Len(t, p.skipped, 1)
	assert.Regexp(t, "^python3.13, python3.13-own-gil: there is no .*libgowsgi-3.13.so; get it with `make build PYTHON=", p.skipped[0].String())

	var out strings.Builder
	report{&results{plan: p}, nil}.print(&out)
	assert.Contains(t, out.String(), "Skipped: python3.13, python3.13-own-gil: ")
}

// Each Python is named to its group, and its locks are in a section of the group.
func TestPythonConfigurations(t *testing.T) {
	space := &workspace{root: "/tmp/root", opt: options{children: 2, threads: 80}}
	texts := make(map[string]string)
	for _, c := range contenders(space.opt, tools{}) {
		v, err := space.siteOf(c, tools{}, 8000)
		require.NoError(t, err)
		texts[c.key], err = (&server{contender: c, site: v}).configuration()
		require.NoError(t, err)
	}
	assert.Contains(t, texts["python3.13t-no-gil"], " python=3.13t\n")
	assert.Contains(t, texts["python3.13t-no-gil"], "<WSGIInterpreterOptions process-group=bench>\nWSGIFreeThreading On\n</WSGI")
	assert.Contains(t, texts["python3.12-own-gil"], "WSGIPerInterpreterGIL On\n")
	assert.NotContains(t, texts["python3.12-one-gil"], "GIL")
	assert.NotContains(t, texts["gowsgi-daemon"], "python=")
}

// The rows of a table whose contenders have bases of their own compare with these.
func TestOwnBases(t *testing.T) {
	p := plan{mode: modeNamed(modePythons), contenders: contenders(options{}, tools{}), workloads: pythonWorkloads()}
	r := &results{plan: p, samples: make(map[cellKey][]measured)}
	r.add(cellKey{"python3.13-one-gil", "compute", 2}, sample{rate: 100})
	r.add(cellKey{"python3.13-own-gil", "compute", 2}, sample{rate: 180})
	r.add(cellKey{"python3.13t-no-gil", "compute", 2}, sample{rate: 180})
	var out strings.Builder
	report{r, judge(pythonTargets(), r)}.print(&out)
	assert.Regexp(t, `requests/s \| x one GIL \|`, out.String())
	assert.Regexp(t, `Python 3.13, own GILs +\| httpd \| +180.0 \| +1.80 `, out.String())
	assert.Regexp(t, `Python 3.13t, no GIL +\| httpd \| +180.0 \| +- `, out.String())
	assert.Contains(t, out.String(), "PASS  compute, 2 clients: requests/s of python3.13-own-gil >= 1.7 x python3.13-one-gil (1.80)")
}
