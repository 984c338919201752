// This file is the list of targets: what has to be reached against whom, as data, and its judge.
package main

import "fmt"

// noise is what "no worse than" allows in either direction: less cannot be told from chance.
const noise = 0.05

// linear is what a process may cost more to start where there are four times as many: caches are shared by more. A cost
// that grows with their number would be several times as much.
const linear = 1.25

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
	than             int // the count of against's; 0: the same
}

func embeddedTargets() []target {
	ours, theirs := "gowsgi", "mod_wsgi"
	list := []target{
		{subject: ours, against: theirs, workload: "hello", count: 16, metric: rate, atLeast: true, bound: 1.6},
		{subject: ours, against: theirs, workload: "hello", count: 16, metric: cpu, bound: 0.6},
		{subject: ours, against: theirs, workload: "hello", count: 1, metric: rate, atLeast: true, bound: 1.15},
		{subject: ours, against: "floor", workload: "hello", count: 16, metric: rate, atLeast: true, bound: 1 - noise},
		{subject: ours, against: "floor", workload: "hello", count: 64, metric: rate, atLeast: true, bound: 1 - noise},
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
		{subject: ours, against: theirs, workload: "hello", count: 16, metric: rate, atLeast: true, bound: 1.8},
		{subject: ours, against: "uwsgi", workload: "hello", count: 16, metric: rate, atLeast: true, bound: 1.3},
		{subject: ours, against: theirs, workload: "hello", count: 16, metric: cpu, bound: 0.55},
		{subject: ours, against: theirs, workload: "hello", count: 1, metric: rate, atLeast: true, bound: 1.5},
		{subject: ours, against: theirs, workload: "hello", count: 64, metric: p99, bound: 1 + noise},
		{subject: ours, against: "uwsgi", workload: "hello", count: 64, metric: p99, bound: 1 + noise},
		{subject: ours, against: "static", workload: "file", count: 1, metric: cpu, bound: 1.3},
		{subject: ours, against: theirs, workload: "stream", count: 1, metric: cpu, bound: 1 + noise},
		{subject: ours, against: theirs, workload: "upload", count: 1, metric: cpu, bound: 1 + noise},
		steady(ours, "stream"),
		steady(ours, "upload"),
		{subject: ours, against: theirs, workload: "hello", count: 16, metric: pss, bound: 1.3},
	}
	return append(list, ahead(ours, "nginx-uwsgi", 16, 64)...)
}

// ahead bounds speed, CPU time and latency of hello by another's, with nothing allowed for noise.
func ahead(ours, theirs string, counts ...int) []target {
	var list []target
	for _, count := range counts {
		list = append(list, target{subject: ours, against: theirs, workload: "hello", count: count, metric: rate, atLeast: true, bound: 1},
			target{subject: ours, against: theirs, workload: "hello", count: count, metric: cpu, bound: 1},
			target{subject: ours, against: theirs, workload: "hello", count: count, metric: p99, bound: 1})
	}
	return list
}

func fairnessTargets() []target {
	ours, theirs := "gowsgi-daemon", "mod_wsgi-daemon"
	return []target{
		{subject: ours, against: theirs, workload: "a", count: 16, metric: p99, bound: 1 + noise},
		{subject: ours, against: theirs, workload: "b", count: 20, metric: p99, bound: 1 + noise},
		{subject: ours, against: theirs, workload: "c", count: 24, metric: p99, bound: 1 + noise},
		{subject: ours, workload: "d", count: 60, metric: refused, bound: 0},
	}
}

// groupsTargets: what a process costs must not grow with their number.
func groupsTargets() []target {
	ours, theirs := "gowsgi-daemon", "mod_wsgi-daemon"
	return []target{
		{subject: ours, against: theirs, workload: "idle", count: 160, metric: startCPU, bound: 1.3},
		{subject: ours, against: theirs, workload: "idle", count: 400, metric: startCPU, bound: 1.3},
		{subject: ours, workload: "idle", count: 160, metric: idleCPU, bound: 0.1},
		{subject: ours, workload: "idle", count: 400, metric: idleCPU, bound: 0.25},
		{subject: ours, workload: "idle", count: 160, metric: pssEach, bound: 5.5},
		{subject: ours, workload: "idle", count: 400, metric: pssEach, bound: 5.5},
		{subject: ours, against: ours, workload: "idle", count: 400, than: 100, metric: startCPUEach, bound: linear},
		{subject: ours, against: ours, workload: "idle", count: 400, than: 100, metric: pssEach, bound: 1 + noise},
	}
}

// noWorse bounds both the speed and the CPU time.
func noWorse(ours, theirs, workload string, count int) []target {
	return []target{
		{subject: ours, against: theirs, workload: workload, count: count, metric: rate, atLeast: true, bound: 1 - noise},
		{subject: ours, against: theirs, workload: workload, count: count, metric: cpu, bound: 1 + noise},
	}
}

// steady bounds the growth of memory during a transfer.
func steady(ours, workload string) target {
	return target{subject: ours, workload: workload, count: 1, metric: growth, bound: constantMemory}
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
	if t.than != 0 {
		return fmt.Sprintf("%s: %s of %s %s %g x that of %d", where, t.metric.name, t.subject, sign, t.bound, t.than)
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
		theirs := cellKey{t.against, t.workload, t.count}
		if t.than != 0 {
			theirs.count = t.than
		}
		value, ok = res.ratio(ours, theirs, t.metric)
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
