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

// sampled is a run in which the rates at 16 connections are given.
func sampled(rates map[string][]float64) *results {
	opt := options{mode: modeEmbedded}
	r := &results{Mode: modeEmbedded, contenders: contenders(opt, tools{}), workloads: workloads(), samples: make(map[cellKey][]sample)}
	for key, list := range rates {
		for round, rate := range list {
			r.round = round
			r.add(cellKey{key, "hello", 16}, sample{Rate: rate, CPU: 1e6 / rate})
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
	assert.Equal(t, 200.0, m.Rate)
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
	for _, mode := range []string{modeEmbedded, modeDaemon} {
		served := make(map[string]contender)
		for _, c := range contenders(options{}, tools{}) {
			served[c.key] = c
		}
		for _, target := range targetsOf(mode) {
			loads, err := chooseWorkloads([]string{target.workload})
			require.NoError(t, err, target)
			for _, key := range []string{target.subject, target.against} {
				if c, ok := served[key]; key != "" {
					require.True(t, ok, key)
					assert.Contains(t, c.modes, mode, target)
					assert.True(t, c.offers(loads[0]), target)
				}
			}
		}
	}
}

func TestReport(t *testing.T) {
	r := sampled(map[string][]float64{"gowsgi": {2000}, "mod_wsgi": {1000}, "floor": {3000}})
	var out strings.Builder
	writeReport(&out, r, judge(targetsOf(modeEmbedded), r))
	assert.Contains(t, out.String(), "## Hello, World!, 16 connections")
	assert.Regexp(t, `\| mod_gowsgi embedded +\| +2000 \| +2.00 \| +500.0 \| +0.50 \|`, out.String())
	assert.Contains(t, out.String(), "PASS  hello, 16 connections: requests/s of gowsgi >= 1.6 x mod_wsgi (2.00)")
	assert.Contains(t, out.String(), "were not measured in this run")
}

func TestJSON(t *testing.T) {
	r := sampled(map[string][]float64{"gowsgi": {2000, 3000, 1000}})
	file := filepath.Join(t.TempDir(), "out.json")
	require.NoError(t, writeJSON(file, r, judge(targetsOf(modeEmbedded), r)))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var got struct{ Cells []jsonCell }
	require.NoError(t, json.Unmarshal(data, &got))
	require.Len(t, got.Cells, 1)
	assert.Equal(t, 2000.0, got.Cells[0].Median.Rate)
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
	here := contender{key: "here", modes: []string{modeEmbedded}}
	gone := contender{key: "gone", modes: []string{modeEmbedded}, needs: []need{{"/does/not/exist", "make build"}}}
	other := contender{key: "other", modes: []string{modeDaemon}}
	all := []contender{here, gone, other}

	chosen, missing, err := chooseContenders(options{mode: modeEmbedded}, all)
	require.NoError(t, err)
	assert.Len(t, chosen, 1)
	require.Len(t, missing, 1)
	assert.Contains(t, missing[0], "make build")

	_, missing, err = chooseContenders(options{mode: modeEmbedded, only: []string{"here"}}, all)
	require.NoError(t, err)
	assert.Empty(t, missing, "-only leaves the missing one out")

	_, _, err = chooseContenders(options{mode: modeEmbedded, only: []string{"other"}}, all)
	assert.ErrorIs(t, err, errUsage, "not of this mode")
	_, _, err = chooseContenders(options{mode: modeEmbedded, only: []string{"gone"}}, all)
	assert.ErrorContains(t, err, "/does/not/exist")
}

func TestConfigurations(t *testing.T) {
	space := &workspace{root: "/tmp/root", opt: options{children: 2, threads: 80}}
	for _, c := range contenders(space.opt, tools{modules: "/modules"}) {
		v, err := space.siteOf(c, tools{user: "www-data", group: "www-data"}, 8000)
		require.NoError(t, err, c.key)
		text, err := expand(httpdConfig+c.config, v)
		require.NoError(t, err, c.key)
		assert.Contains(t, text, "Listen 127.0.0.1:8000\n", c.key)
		assert.Contains(t, text, "MaxRequestWorkers 160\n", c.key)
		for _, arg := range c.extra {
			_, err := expand(arg, v)
			assert.NoError(t, err, arg)
		}
	}
}
