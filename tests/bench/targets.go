// This file is the list of targets: what has to be reached against whom, as data, and its judge.
package main

import "fmt"

// noise is what "no worse than" allows in either direction: less cannot be told from chance.
const noise = 0.05

// constantMemory is how far (MiB) all processes together may grow while 100 MiB pass through.
const constantMemory = 16

// target is a bound on a ratio of our number to another contender's or, without one, on our number itself.
type target struct {
	subject, against string
	workload         string
	count            int // of connections, clients or processes
	metric           metric
	atLeast          bool
	bound            float64
}

func embeddedTargets() []target {
	ours, theirs := "gowsgi", "mod_wsgi"
	list := []target{
		{ours, theirs, "hello", 16, rate, true, 1.6},
		{ours, theirs, "hello", 16, cpu, false, 0.6},
		{ours, theirs, "hello", 1, rate, true, 1.15},
		{ours, "floor", "hello", 16, rate, true, 1 - noise},
		{ours, "floor", "hello", 64, rate, true, 1 - noise},
	}
	list = append(list, noWorse(ours, theirs, "large", 16)...)
	list = append(list, noWorse(ours, theirs, "stream", 1)...)
	list = append(list, noWorse(ours, theirs, "upload", 1)...)
	list = append(list, noWorse(ours, theirs, "django", 16)...)
	return append(list, steady(ours, "stream"), steady(ours, "upload"))
}

func daemonTargets() []target {
	ours, theirs := "gowsgi-daemon", "mod_wsgi-daemon"
	list := []target{
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
	return append(list, ahead(ours, "nginx-uwsgi", 16, 64)...)
}

// ahead bounds speed, CPU time and latency of hello by another's, with nothing allowed for noise.
func ahead(ours, theirs string, counts ...int) []target {
	var list []target
	for _, count := range counts {
		list = append(list, target{ours, theirs, "hello", count, rate, true, 1},
			target{ours, theirs, "hello", count, cpu, false, 1},
			target{ours, theirs, "hello", count, p99, false, 1})
	}
	return list
}

func fairnessTargets() []target {
	ours, theirs := "gowsgi-daemon", "mod_wsgi-daemon"
	return []target{
		{ours, theirs, "a", 16, p99, false, 1 + noise},
		{ours, theirs, "b", 20, p99, false, 1 + noise},
		{ours, theirs, "c", 24, p99, false, 1 + noise},
		{ours, "", "d", 60, refused, false, 0},
	}
}

// noWorse bounds both the speed and the CPU time.
func noWorse(ours, theirs, workload string, count int) []target {
	return []target{
		{ours, theirs, workload, count, rate, true, 1 - noise},
		{ours, theirs, workload, count, cpu, false, 1 + noise},
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
	where := fmt.Sprintf("%s, %s", t.workload, kindOf(t.workload).counted(t.count))
	if t.against == "" {
		return fmt.Sprintf("%s: %s of %s %s %g%s", where, t.metric.name, t.subject, sign, t.bound, t.metric.unit)
	}
	return fmt.Sprintf("%s: %s of %s %s %g x %s", where, t.metric.name, t.subject, sign, t.bound, t.against)
}

// kindOf a workload, whose key must be in a mode.
func kindOf(key string) *kind {
	for _, m := range modes() {
		for _, w := range m.workloads() {
			if w.key == key {
				return w.kind
			}
		}
	}
	panic("no mode has a workload " + key)
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
	ours := cellKey{t.subject, t.workload, t.count}
	value, ok := 0.0, false
	if t.against == "" {
		var m sample
		m, _ = res.median(ours)
		value, ok = m[t.metric]
	} else {
		value, ok = res.ratio(ours, cellKey{t.against, t.workload, t.count}, t.metric)
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
