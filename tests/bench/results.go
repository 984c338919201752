// This file holds what was measured, and its medians.
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// measured is a sample of a round.
type measured struct {
	Round  int    `json:"round"`
	Values sample `json:"values"`
}

// cellKey names a row of a table. count is that of connections, clients or processes.
type cellKey struct {
	contender string
	workload  string
	count     int
}

// results collect samples while the run goes on, and are read-only afterwards.
type results struct {
	plan     plan
	Machine  string
	Load     float64 // load average when the run began
	Shape    string
	samples  map[cellKey][]measured
	round    int // the one that goes on
	Failures []string
}

func newResults(b *bench) *results {
	return &results{
		plan:    b.plan,
		Machine: fmt.Sprintf("%s; Linux %s, %d cores", b.tools.version, kernel(), runtime.NumCPU()),
		Load:    loadAverage(),
		Shape: fmt.Sprintf("event MPM, %d children of %d threads, keep-alive, no access log; medians of %d alternating rounds of %s, ratios too",
			b.opt.children, b.opt.threads, b.opt.rounds, b.opt.duration),
		samples: make(map[cellKey][]measured),
	}
}

func (r *results) add(key cellKey, s sample) {
	r.samples[key] = append(r.samples[key], measured{r.round, s})
}

// fail notes a failure once, however many rounds repeat it.
func (r *results) fail(what string, err error) {
	prefix := what + ": "
	text := prefix + err.Error()
	fmt.Fprintln(os.Stderr, "bench: FAILED:", text)
	if !slices.ContainsFunc(r.Failures, func(f string) bool { return strings.HasPrefix(f, prefix) }) {
		r.Failures = append(r.Failures, text)
	}
}

// median of each number by itself; ok is false when nothing was measured.
func (r *results) median(key cellKey) (m sample, ok bool) {
	values := make(map[metric][]float64)
	for _, s := range r.samples[key] {
		for name, value := range s.Values {
			values[name] = append(values[name], value)
		}
	}
	m = make(sample, len(values))
	for name, list := range values {
		m[name] = name.combine(list)
	}
	return m, len(m) > 0
}

// combine makes one number of those of all rounds.
func (m metric) combine(values []float64) float64 {
	if !m.sum {
		return median(values)
	}
	total := 0.0
	for _, value := range values {
		total += value
	}
	return total
}

// ratio of two contenders: the median of those of each round. A machine that is slower in one round than in another does
// not move it much, as it would that of two medians. ok is false when there is none.
func (r *results) ratio(ours, theirs cellKey, m metric) (value float64, ok bool) {
	var ratios []float64
	for _, our := range r.samples[ours] {
		for _, their := range r.samples[theirs] {
			if our.Round == their.Round && their.Values[m] != 0 {
				ratios = append(ratios, our.Values[m]/their.Values[m])
			}
		}
	}
	if len(ratios) == 0 {
		return 0, false
	}
	return median(ratios), true
}

// median of a list that is not empty.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "of unknown version"
	}
	return unix.ByteSliceToString(u.Release[:])
}

func loadAverage() float64 {
	var n float64
	data, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, err = fmt.Sscan(string(data), &n)
	}
	if err != nil {
		return 0
	}
	return n
}

// stamp is when the results were written.
func stamp() string { return time.Now().UTC().Format(time.RFC3339) }
