// This file is the table of what is measured, and of the columns in which it is printed.
package main

import "fmt"

// metric is one number of a sample. A map of them is a sample, so all fields tell metrics apart.
type metric struct {
	key  string // in the JSON file
	name string // in targets
	unit string // of a bound on the number alone
	sum  bool   // the rounds' sum counts, not their median: one answer of 503 in any round is one too many
}

var (
	rate     = metric{key: "per_second", name: "requests/s"}
	answered = metric{key: "requests", name: "requests"}
	cpu      = metric{key: "cpu_us_per_request", name: "CPU per request"} // or per transfer
	p50      = metric{key: "p50_ms", name: "p50"}
	p99      = metric{key: "p99_ms", name: "p99"}
	pss      = metric{key: "pss_mib", name: "PSS"}
	longest  = metric{key: "max_ms", name: "longest wait"}
	refused  = metric{key: "not_200", name: "answers that are not 200", sum: true}
	growth   = metric{key: "peak_rss_growth_mib", name: "peak memory growth", unit: " MiB"} // over the size before the first transfer

	startCPU     = metric{key: "start_cpu_s", name: "CPU to start", unit: " s"}
	startCPUEach = metric{key: "start_cpu_ms_per_process", name: "CPU to start a process", unit: " ms"}
	idleCPU      = metric{key: "idle_cpu_s", name: "CPU in 10 s of nothing to do", unit: " s"}
	pssEach      = metric{key: "pss_mb_per_process", name: "PSS of a process", unit: " MB"}
	descriptors  = metric{key: "descriptors", name: "descriptors of the largest process"}
)

// MarshalText makes a sample an object of its metrics' keys.
func (m metric) MarshalText() ([]byte, error) { return []byte(m.key), nil }

// sample is one measurement, such as one run of wrk.
type sample map[metric]float64

// column prints a metric, and perhaps its ratio to that of the contender that the table compares with.
type column struct {
	title  string
	metric metric
	format string
	factor float64 // from the metric's unit to the column's; 0: 1
	ratio  bool
}

var loadColumns = []column{
	{title: "requests/s", metric: rate, format: "%.0f", ratio: true},
	{title: "CPU us/request", metric: cpu, format: "%.1f", ratio: true},
	{title: "p50 ms", metric: p50, format: "%.2f"},
	{title: "p99 ms", metric: p99, format: "%.2f", ratio: true},
	{title: "PSS MiB", metric: pss, format: "%.1f", ratio: true},
}

var crowdColumns = []column{
	{title: "requests/s", metric: rate, format: "%.1f", ratio: true},
	{title: "p50 ms", metric: p50, format: "%.0f", ratio: true},
	{title: "p99 ms", metric: p99, format: "%.0f", ratio: true},
	{title: "max ms", metric: longest, format: "%.0f"},
	{title: "not 200", metric: refused, format: "%.0f"},
}

var idleColumns = []column{
	{title: "start CPU s", metric: startCPU, format: "%.2f", ratio: true},
	{title: "a process, ms", metric: startCPUEach, format: "%.1f"},
	{title: "CPU s in 10 s", metric: idleCPU, format: "%.3f", ratio: true},
	{title: "PSS a process, MB", metric: pssEach, format: "%.2f", ratio: true},
	{title: "most descriptors", metric: descriptors, format: "%.0f", ratio: true},
}

var transferColumns = []column{
	{title: "MiB/s", metric: rate, format: "%.0f", factor: transferSize / mebi, ratio: true},
	{title: "CPU ms/transfer", metric: cpu, format: "%.1f", factor: 1e-3, ratio: true},
	{title: "peak growth MiB", metric: growth, format: "%.1f"},
	{title: "PSS MiB", metric: pss, format: "%.1f", ratio: true},
}

func (c column) print(m sample) string {
	value, ok := m[c.metric]
	if !ok {
		return "-"
	}
	if c.factor != 0 {
		value *= c.factor
	}
	return fmt.Sprintf(c.format, value)
}
