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

// sample is one measurement: one run of wrk, or one group of large transfers.
type sample struct {
	Round  int     `json:"round"`
	Rate   float64 `json:"per_second"`         // requests or transfers
	CPU    float64 `json:"cpu_us_per_request"` // or per transfer
	P50    float64 `json:"p50_ms,omitempty"`
	P99    float64 `json:"p99_ms,omitempty"`
	PSS    int64   `json:"pss_bytes"`
	Growth int64   `json:"peak_rss_growth_bytes,omitempty"` // of the transfers: over the size before the first
}

type cellKey struct {
	contender   string
	workload    string
	connections int
}

// results collect samples while the run goes on, and are read-only afterwards.
type results struct {
	Mode       string
	Machine    string
	Load       float64 // load average when the run began
	Shape      string
	contenders []contender
	workloads  []workload
	samples    map[cellKey][]sample
	round      int // the one that goes on
	Failures   []string
}

func newResults(b *bench) *results {
	return &results{
		Mode:    b.opt.mode,
		Machine: fmt.Sprintf("%s; Linux %s, %d cores", b.tools.version, kernel(), runtime.NumCPU()),
		Load:    loadAverage(),
		Shape: fmt.Sprintf("event MPM, %d children of %d threads, keep-alive, no access log; medians of %d alternating rounds of %s, ratios too",
			b.opt.children, b.opt.threads, b.opt.rounds, b.opt.duration),
		contenders: b.contenders,
		workloads:  b.workloads,
		samples:    make(map[cellKey][]sample),
	}
}

func (r *results) add(key cellKey, s sample) {
	s.Round = r.round
	r.samples[key] = append(r.samples[key], s)
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
	list := r.samples[key]
	if len(list) == 0 {
		return m, false
	}
	of := func(get func(sample) float64) float64 {
		values := make([]float64, len(list))
		for i, s := range list {
			values[i] = get(s)
		}
		return median(values)
	}
	return sample{
		Rate:   of(func(s sample) float64 { return s.Rate }),
		CPU:    of(func(s sample) float64 { return s.CPU }),
		P50:    of(func(s sample) float64 { return s.P50 }),
		P99:    of(func(s sample) float64 { return s.P99 }),
		PSS:    int64(of(func(s sample) float64 { return float64(s.PSS) })),
		Growth: int64(of(func(s sample) float64 { return float64(s.Growth) })),
	}, true
}

// ratio of two contenders: the median of those of each round. A machine that is slower in one round than in another does not move it
// much, as it would that of two medians. ok is false when there is none.
func (r *results) ratio(ours, theirs cellKey, m metric) (value float64, ok bool) {
	var ratios []float64
	for _, our := range r.samples[ours] {
		for _, their := range r.samples[theirs] {
			if our.Round == their.Round && m.of(their) != 0 {
				ratios = append(ratios, m.of(our)/m.of(their))
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

// peer is the contender that the table's ratios compare with.
func peer(mode string) string {
	if mode == modeDaemon {
		return "mod_wsgi-daemon"
	}
	return "mod_wsgi"
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
