// This file tests medians, targets, tables and flags.
package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func modeNamed(key string) mode {
	m, err := findMode(key)
	if err != nil {
		panic(err)
	}
	return m
}

// sampled is a run in which the rates at 16 connections are given.
func sampled(rates map[string][]float64) *results {
	r := &results{mode: modeNamed(modeEmbedded), contenders: contenders(options{}, tools{}), workloads: pages(), samples: make(map[cellKey][]measured)}
	for key, list := range rates {
		for round, value := range list {
			r.round = round
			r.add(cellKey{key, "hello", 16}, sample{rate: value, cpu: 1e6 / value})
		}
	}
	return r
}

func TestMedian(t *testing.T) {
	assert.Equal(t, 3.0, median([]float64{9, 1, 3}))
	assert.Equal(t, 2.5, median([]float64{4, 1, 2, 3}))
	r := sampled(map[string][]float64{"gowsgi": {100, 900, 200}})
	m, ok := r.median(cellKey{"gowsgi", "hello", 16})
	assert.True(t, ok)
	assert.Equal(t, 200.0, m[rate])
	_, ok = r.median(cellKey{"gowsgi", "hello", 1})
	assert.False(t, ok)
}

// Ratios are those within a round: here the machine was slow in the second one, and theirs failed in the third.
func TestRatio(t *testing.T) {
	r := sampled(map[string][]float64{"gowsgi": {2000, 300, 1000}, "mod_wsgi": {1000, 100}})
	ours, theirs := cellKey{"gowsgi", "hello", 16}, cellKey{"mod_wsgi", "hello", 16}
	value, ok := r.ratio(ours, theirs, rate)
	assert.True(t, ok)
	assert.Equal(t, 2.5, value)
	_, ok = r.ratio(ours, cellKey{"floor", "hello", 16}, rate)
	assert.False(t, ok)
	_, ok = r.ratio(ours, theirs, growth)
	assert.False(t, ok, "theirs is 0")
}

func TestJudge(t *testing.T) {
	atLeast := target{"gowsgi", "mod_wsgi", "hello", 16, rate, true, 1.6}
	atMost := target{"gowsgi", "mod_wsgi", "hello", 16, cpu, false, 0.6}
	absolute := target{"gowsgi", "", "hello", 16, rate, false, 1500}

	good := sampled(map[string][]float64{"gowsgi": {1600}, "mod_wsgi": {1000}})
	assert.Equal(t, verdict{atLeast.String(), resultPass, 1.6}, atLeast.judge(good))
	assert.Equal(t, resultMiss, atMost.judge(good).Result)
	assert.Equal(t, resultMiss, absolute.judge(good).Result)

	alone := sampled(map[string][]float64{"gowsgi": {1600}})
	assert.Equal(t, resultNone, atLeast.judge(alone).Result)
	assert.Equal(t, resultNone, atLeast.judge(sampled(nil)).Result)
}

func TestTargetsNameWhatExists(t *testing.T) {
	for _, mode := range modes() {
		served := make(map[string]contender)
		for _, c := range contenders(options{}, tools{}) {
			served[c.key] = c
		}
		for _, target := range mode.targets() {
			loads, err := chooseWorkloads(mode.workloads(), []string{target.workload})
			require.NoError(t, err, target)
			for _, key := range []string{target.subject, target.against} {
				if c, ok := served[key]; key != "" {
					require.True(t, ok, key)
					assert.Contains(t, c.modes, mode.key, target)
					assert.True(t, c.offers(loads[0]), target)
				}
			}
		}
	}
}

func TestReport(t *testing.T) {
	r := sampled(map[string][]float64{"gowsgi": {2000}, "mod_wsgi": {1000}, "floor": {3000}})
	var out strings.Builder
	writeReport(&out, r, judge(embeddedTargets(), r))
	assert.Contains(t, out.String(), "## Hello, World!, 16 connections")
	assert.Regexp(t, `\| mod_gowsgi embedded +\| httpd \| +2000 \| +2.00 \| +500.0 \| +0.50 \|`, out.String())
	assert.Contains(t, out.String(), "PASS  hello, 16 connections: requests/s of gowsgi >= 1.6 x mod_wsgi (2.00)")
	assert.Contains(t, out.String(), "were not measured in this run")
}

func TestJSON(t *testing.T) {
	r := sampled(map[string][]float64{"gowsgi": {2000, 3000, 1000}})
	file := filepath.Join(t.TempDir(), "out.json")
	require.NoError(t, writeJSON(file, r, judge(embeddedTargets(), r)))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var got struct {
		Cells []struct {
			Median  map[string]float64
			Samples []any
		}
	}
	require.NoError(t, json.Unmarshal(data, &got))
	require.Len(t, got.Cells, 1)
	assert.Equal(t, 2000.0, got.Cells[0].Median["per_second"])
	assert.Len(t, got.Cells[0].Samples, 3)
}

func TestParseOptions(t *testing.T) {
	opt, err := parseOptions([]string{"-only", "gowsgi,mod_wsgi", "-connections", "1,16", "-duration", "1s"})
	require.NoError(t, err)
	assert.Equal(t, []string{"gowsgi", "mod_wsgi"}, opt.only)
	assert.Equal(t, []int{1, 16}, opt.connections)
	for _, args := range []string{"-mode other", "-duration 1500ms", "-rounds 0", "-connections x", "-connections ,", "-threads 64", "stray"} {
		_, err := parseOptions(strings.Fields(args))
		assert.ErrorIs(t, err, errUsage, args)
	}
}

func TestChooseContenders(t *testing.T) {
	embedded := modeNamed(modeEmbedded)
	here := contender{key: "here", modes: []string{modeEmbedded}}
	gone := contender{key: "gone", modes: []string{modeEmbedded}, needs: []need{{"/does/not/exist", "make build"}}}
	other := contender{key: "other", modes: []string{modeDaemon}}
	all := []contender{here, gone, other}

	chosen, missing, err := chooseContenders(options{mode: embedded}, all)
	require.NoError(t, err)
	assert.Len(t, chosen, 1)
	require.Len(t, missing, 1)
	assert.Contains(t, missing[0], "make build")

	_, missing, err = chooseContenders(options{mode: embedded, only: []string{"here"}}, all)
	require.NoError(t, err)
	assert.Empty(t, missing, "-only leaves the missing one out")

	_, _, err = chooseContenders(options{mode: embedded, only: []string{"other"}}, all)
	assert.ErrorIs(t, err, errUsage, "not of this mode")
	_, _, err = chooseContenders(options{mode: embedded, only: []string{"gone"}}, all)
	assert.ErrorContains(t, err, "/does/not/exist")
}

// The rounds' sum counts of what must not happen at all.
func TestCombine(t *testing.T) {
	values := []float64{0, 3, 0}
	assert.Equal(t, 0.0, rate.combine(values))
	assert.Equal(t, 3.0, metric{sum: true}.combine(values))
}

func TestFindMode(t *testing.T) {
	for _, key := range modeKeys() {
		m, err := findMode(key)
		require.NoError(t, err)
		assert.Equal(t, key, m.key)
		assert.NotEmpty(t, m.workloads())
	}
	_, err := findMode("other")
	assert.ErrorIs(t, err, errUsage)
}

func TestConfigurations(t *testing.T) {
	space := &workspace{root: "/tmp/root", opt: options{children: 2, threads: 80}}
	listens := map[string]string{"httpd": "Listen 127.0.0.1:8000\n", "nginx": "listen 127.0.0.1:8000 "}
	for _, c := range contenders(space.opt, tools{modules: "/modules"}) {
		v, err := space.siteOf(c, tools{user: "www-data", group: "www-data"}, 8000)
		require.NoError(t, err, c.key)
		text, err := (&server{contender: c, site: v}).configuration()
		require.NoError(t, err, c.key)
		assert.Contains(t, text, listens[c.front.name], c.key)
		assert.NotContains(t, text, "<no value>", c.key)
		for _, arg := range append(c.extra, c.front.command...) {
			_, err := expand(arg, v)
			assert.NoError(t, err, arg)
		}
	}
}

func TestWSGIConfiguration(t *testing.T) {
	v := site{Root: "/root", Dir: "/dir", Mounts: []mount{{"a", "hello", " process-group=g1"}}, Groups: []group{{"g1", "threads=1"}, {"g2", "threads=2"}}}
	text, err := expand(wsgiDaemonConfig, v)
	require.NoError(t, err)
	assert.Equal(t, `WSGIScriptAlias /a /root/apps/hello.wsgi process-group=g1
WSGIApplicationGroup %{GLOBAL}
WSGISocketPrefix /dir/run/wsgi
WSGIDaemonProcess g1 threads=1
WSGIDaemonProcess g2 threads=2
WSGIProcessGroup g1
WSGIRestrictEmbedded On
`, text)
}
