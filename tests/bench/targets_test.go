// This file tests medians, targets, tables and flags.
package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func modeNamed(key string) mode {
	found, err := findModes([]string{key})
	if err != nil {
		panic(err)
	}
	return found[0]
}

// sampled is a run in which the rates at 16 connections are given.
func sampled(rates map[string][]float64) *results {
	p := plan{mode: modeNamed(modeEmbedded), contenders: contenders(options{}, tools{}), workloads: pages()}
	r := &results{plan: p, samples: make(map[cellKey][]measured)}
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
	atLeast := target{subject: "gowsgi", against: "mod_wsgi", workload: "hello", count: 16, metric: rate, atLeast: true, bound: 1.6}
	atMost := target{subject: "gowsgi", against: "mod_wsgi", workload: "hello", count: 16, metric: cpu, bound: 0.6}
	absolute := target{subject: "gowsgi", workload: "hello", count: 16, metric: rate, bound: 1500}

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
			var p plan
			p.mode = mode
			p.chooseWorkloads([]string{target.workload})
			require.Len(t, p.workloads, 1, target)
			for _, key := range []string{target.subject, target.against} {
				if c, ok := served[key]; key != "" {
					require.True(t, ok, key)
					assert.Contains(t, c.modes, mode.key, target)
					assert.True(t, c.offers(p.workloads[0]), target)
				}
			}
		}
	}
}

func TestReport(t *testing.T) {
	r := sampled(map[string][]float64{"gowsgi": {2000}, "mod_wsgi": {1000}, "floor": {3000}})
	var out strings.Builder
	report{r, judge(embeddedTargets(), r)}.print(&out)
	assert.Contains(t, out.String(), "## Hello, World!, 16 connections")
	assert.Regexp(t, `\| mod_gowsgi embedded +\| httpd \| +2000 \| +2.00 \| +500.0 \| +0.50 \|`, out.String())
	assert.Contains(t, out.String(), "PASS  hello, 16 connections: requests/s of gowsgi >= 1.6 x mod_wsgi (2.00)")
	assert.Contains(t, out.String(), "were not measured in this run")
}

func TestJSON(t *testing.T) {
	r := sampled(map[string][]float64{"gowsgi": {2000, 3000, 1000}})
	file := filepath.Join(t.TempDir(), "out.json")
	require.NoError(t, writeJSON(file, []report{{r, judge(embeddedTargets(), r)}}))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var got struct {
		Modes []struct {
			Mode  string
			Cells []struct {
				Median  map[string]float64
				Samples []any
			}
		}
	}
	require.NoError(t, json.Unmarshal(data, &got))
	require.Len(t, got.Modes, 1)
	assert.Equal(t, modeEmbedded, got.Modes[0].Mode)
	require.Len(t, got.Modes[0].Cells, 1)
	assert.Equal(t, 2000.0, got.Modes[0].Cells[0].Median["per_second"])
	assert.Len(t, got.Modes[0].Cells[0].Samples, 3)
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

func TestPlans(t *testing.T) {
	embedded := modeNamed(modeEmbedded)
	here := contender{key: "here", modes: []string{modeEmbedded}}
	gone := contender{key: "gone", modes: []string{modeEmbedded}, needs: []need{{"/does/not/exist", "make build"}}}
	other := contender{key: "other", modes: []string{modeDaemon}, serves: []string{"hello"}}
	all := []contender{here, gone, other}
	keys := func(opt options) map[string][]string {
		plans, err := makePlans(opt, all)
		require.NoError(t, err)
		found := make(map[string][]string)
		for _, p := range plans {
			for _, c := range p.contenders {
				found[p.key] = append(found[p.key], c.key)
			}
		}
		return found
	}
	assert.Equal(t, map[string][]string{modeEmbedded: {"here"}, modeDaemon: {"other"}}, keys(options{modes: modes()}))
	assert.Equal(t, map[string][]string{modeEmbedded: {"here"}}, keys(options{modes: []mode{embedded}}))
	assert.Equal(t, map[string][]string{modeDaemon: {"other"}}, keys(options{modes: modes(), only: []string{"other"}}))
	assert.Equal(t, map[string][]string{modeEmbedded: {"here"}}, keys(options{modes: modes(), workloads: []string{"django"}}))

	for _, opt := range []options{
		{modes: modes(), only: []string{"none"}},
		{modes: modes(), workloads: []string{"none"}},
		{modes: []mode{embedded}, only: []string{"other"}},
	} {
		_, err := makePlans(opt, all)
		assert.ErrorIs(t, err, errUsage)
	}
	_, err := makePlans(options{modes: modes(), only: []string{"gone"}}, all)
	assert.ErrorContains(t, err, "/does/not/exist")
}

// What cannot run makes a run incomplete, unless it is not asked for.
func TestMissing(t *testing.T) {
	gone := contender{key: "gone", modes: []string{modeEmbedded}, needs: []need{{"/does/not/exist", "make build"}}}
	here := contender{key: "here", modes: []string{modeEmbedded}}
	plans, err := makePlans(options{modes: modes()}, []contender{gone, here})
	require.NoError(t, err)
	require.Len(t, plans, 1)
	problems := report{results: &results{plan: plans[0]}}.problems(false)
	require.Len(t, problems, 1)
	assert.Contains(t, problems[0], "make build")

	plans, err = makePlans(options{modes: modes(), only: []string{"here"}}, []contender{gone, here})
	require.NoError(t, err)
	assert.Empty(t, report{results: &results{plan: plans[0]}}.problems(false))
}

func TestStrict(t *testing.T) {
	r := report{&results{}, []verdict{{"good", resultPass, 1}, {"bad", resultMiss, 2}, {"unknown", resultNone, 0}}}
	assert.Empty(t, r.problems(false))
	assert.Equal(t, []string{"target missed: bad"}, r.problems(true))
}

// The rounds' sum counts of what must not happen at all.
func TestCombine(t *testing.T) {
	values := []float64{0, 3, 0}
	assert.Equal(t, 0.0, rate.combine(values))
	assert.Equal(t, 3.0, metric{sum: true}.combine(values))
}

func TestFindModes(t *testing.T) {
	all, err := findModes(nil)
	require.NoError(t, err)
	assert.Len(t, all, len(modes()))
	for _, m := range all {
		assert.NotEmpty(t, m.workloads(), m.key)
		assert.Equal(t, m.onDemand, len(m.targets()) == 0, m.key)
		assert.Equal(t, m.onDemand, !slices.Contains(usualModes(), m.key), m.key)
	}
	_, err = findModes([]string{"other"})
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
	v := site{Root: "/root", Dir: "/dir", Mounts: []mount{{"a", "hello", " process-group=g1"}}, Groups: []group{{"g1", "threads=1", ""}, {"g2", "threads=2", "idle"}}}
	text, err := expand(wsgiDaemonConfig, v)
	require.NoError(t, err)
	assert.Equal(t, `WSGISocketPrefix /dir/run/wsgi
WSGIDaemonProcess g1 threads=1
WSGIDaemonProcess g2 threads=2
WSGIImportScript /root/apps/idle.wsgi process-group=g2 application-group=%{GLOBAL}
WSGIProcessGroup g1
WSGIRestrictEmbedded On
WSGIScriptAlias /a /root/apps/hello.wsgi process-group=g1
WSGIApplicationGroup %{GLOBAL}
`, text)
}

// Each process of a group is counted, and the first group answers the probe.
func TestIdleGroups(t *testing.T) {
	v := site{Dir: "/dir"}
	idleGroups(&v, workload{}, 10)
	require.Len(t, v.Groups, 5)
	require.Len(t, v.Mounts, 5)
	assert.Equal(t, mount{probe, "idle", " process-group=group-0"}, v.Mounts[0])
	assert.Equal(t, group{"group-4", "processes=2 threads=15 home=/dir/run", "idle"}, v.Groups[4])
}

// What grows with the number of processes is seen against a smaller number of the same contender's.
func TestJudgeOtherCount(t *testing.T) {
	r := sampled(nil)
	grows := target{subject: "gowsgi-daemon", against: "gowsgi-daemon", workload: "idle", count: 400, than: 100, metric: pssEach, bound: 1.05}
	r.add(cellKey{"gowsgi-daemon", "idle", 100}, sample{pssEach: 4})
	assert.Equal(t, resultNone, grows.judge(r).Result)
	r.add(cellKey{"gowsgi-daemon", "idle", 400}, sample{pssEach: 5})
	assert.Equal(t, verdict{grows.String(), resultMiss, 1.25}, grows.judge(r))
	assert.Contains(t, grows.String(), "400 processes: PSS of a process of gowsgi-daemon <= 1.05 x that of 100")
}
