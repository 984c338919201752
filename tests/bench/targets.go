// This file is the list of targets: what has to be reached against whom, as data, and its judge.
package main

import "fmt"

// metric picks a number out of a sample.
type metric struct {
	name string
	of   func(sample) float64
}

var (
	rate   = metric{"requests/s", func(s sample) float64 { return s.Rate }}
	cpu    = metric{"CPU per request", func(s sample) float64 { return s.CPU }}
	p99    = metric{"p99", func(s sample) float64 { return s.P99 }}
	pss    = metric{"PSS", func(s sample) float64 { return float64(s.PSS) }}
	growth = metric{"peak memory growth", func(s sample) float64 { return float64(s.Growth) / mebi }}
)

// noise is what "no worse than" allows in either direction: less cannot be told from chance.
const noise = 0.05

// constantMemory is how far (MiB) all processes together may grow while 100 MiB pass through.
const constantMemory = 16

// target is a bound on a ratio of our number to another contender's or, without one, on our number itself.
type target struct {
	subject, against string
	workload         string
	connections      int
	metric           metric
	atLeast          bool
	bound            float64
}

func targetsOf(mode string) []target {
	if mode == modeDaemon {
		return daemonTargets()
	}
	return embeddedTargets()
}

func embeddedTargets() []target {
	ours, theirs := "gowsgi", "mod_wsgi"
	list := []target{
		{ours, theirs, "hello", 16, rate, true, 1.6},
		{ours, theirs, "hello", 16, cpu, false, 0.6},
		{ours, theirs, "hello", 1, rate, true, 1.15},
	}
	list = append(list, noWorse(ours, theirs, "large", 16)...)
	list = append(list, noWorse(ours, theirs, "stream", 1)...)
	list = append(list, noWorse(ours, theirs, "upload", 1)...)
	list = append(list, noWorse(ours, theirs, "django", 16)...)
	return append(list, steady(ours, "stream"), steady(ours, "upload"))
}

func daemonTargets() []target {
	ours, theirs := "gowsgi-daemon", "mod_wsgi-daemon"
	return []target{
		{ours, theirs, "hello", 16, rate, true, 1.8},
		{ours, "uwsgi", "hello", 16, rate, true, 1.3},
		{ours, theirs, "hello", 16, cpu, false, 0.55},
		{ours, theirs, "hello", 1, rate, true, 1.5},
		{ours, theirs, "hello", 64, p99, false, 1 + noise},
		{ours, "uwsgi", "hello", 64, p99, false, 1 + noise},
		{ours, "static", "file", 1, cpu, false, 1.3},
		{ours, theirs, "stream", 1, cpu, false, 1 + noise},
		{ours, theirs, "upload", 1, cpu, false, 1 + noise},
		steady(ours, "stream"),
		steady(ours, "upload"),
		{ours, theirs, "hello", 16, pss, false, 1.3},
	}
}

// noWorse bounds both the speed and the CPU time.
func noWorse(ours, theirs, workload string, connections int) []target {
	return []target{
		{ours, theirs, workload, connections, rate, true, 1 - noise},
		{ours, theirs, workload, connections, cpu, false, 1 + noise},
	}
}

// steady bounds the growth of memory during a transfer.
func steady(ours, workload string) target {
	return target{ours, "", workload, 1, growth, false, constantMemory}
}

func (t target) String() string {
	sign := "<="
	if t.atLeast {
		sign = ">="
	}
	where := fmt.Sprintf("%s, %d connections", t.workload, t.connections)
	if t.connections == 1 {
		where = fmt.Sprintf("%s, 1 connection", t.workload)
	}
	if t.against == "" {
		return fmt.Sprintf("%s: %s of %s %s %g MiB", where, t.metric.name, t.subject, sign, t.bound)
	}
	return fmt.Sprintf("%s: %s of %s %s %g x %s", where, t.metric.name, t.subject, sign, t.bound, t.against)
}

const (
	resultPass = "PASS"
	resultMiss = "MISS"
	resultNone = "----" // not measured in this run
)

// verdict is a target with what came out.
type verdict struct {
	Target string  `json:"target"`
	Result string  `json:"result"`
	Value  float64 `json:"value"`
}

func judge(list []target, res *results) []verdict {
	verdicts := make([]verdict, len(list))
	for i, t := range list {
		verdicts[i] = t.judge(res)
	}
	return verdicts
}

func (t target) judge(res *results) verdict {
	v := verdict{Target: t.String(), Result: resultNone}
	ours := cellKey{t.subject, t.workload, t.connections}
	value, ok := 0.0, false
	if t.against == "" {
		var m sample
		m, ok = res.median(ours)
		value = t.metric.of(m)
	} else {
		value, ok = res.ratio(ours, cellKey{t.against, t.workload, t.connections}, t.metric)
	}
	if !ok {
		return v
	}
	v.Value = value
	v.Result = resultMiss
	if (t.atLeast && v.Value >= t.bound) || (!t.atLeast && v.Value <= t.bound) {
		v.Result = resultPass
	}
	return v
}
