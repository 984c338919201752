// This file prints the results: a table for each workload and number of connections, then the targets; or JSON.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// report is what came out of a mode.
type report struct {
	*results
	verdicts []verdict
}

// problems are what keeps the run of a mode from being complete; strict counts missed targets too.
func (r report) problems(strict bool) []string {
	var list []string
	for _, m := range r.plan.missing {
		list = append(list, "not measured: "+m)
	}
	for _, failure := range r.Failures {
		first, _, _ := strings.Cut(failure, "\n") // the logs were shown when it happened
		list = append(list, first)
	}
	for _, v := range r.verdicts {
		if strict && v.Result == resultMiss {
			list = append(list, "target missed: "+v.Target)
		}
	}
	return list
}

func (r report) print(w io.Writer) {
	res := r.results
	fmt.Fprintf(w, "# Benchmark: %s\n\n%s.\n%s.\n", res.plan.key, res.Machine, res.Shape)
	for _, note := range res.plan.notes {
		fmt.Fprintln(w, note)
	}
	for _, lack := range res.plan.skipped {
		fmt.Fprintf(w, "Skipped: %s.\n", lack)
	}
	if res.Load > 0.5 {
		fmt.Fprintf(w, "**The load average was %.1f before the run: others used this machine, so compare within a table only.**\n", res.Load)
	}
	for _, load := range res.plan.workloads {
		for _, n := range res.countsOf(load) {
			writeTable(w, res, load, n)
		}
	}
	if len(r.verdicts) > 0 {
		writeVerdicts(w, r.verdicts)
	}
	fmt.Fprintln(w)
}

// countsOf lists the numbers of connections that anything was measured with, smallest first.
func (r *results) countsOf(load workload) []int {
	seen := make(map[int]bool)
	for key := range r.samples {
		if key.workload == load.key {
			seen[key.count] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func writeTable(w io.Writer, res *results, load workload, count int) {
	fmt.Fprintf(w, "\n## %s, %s\n\n", load.title, load.kind.counted(count))
	rows := [][]string{header(load.kind, cmp.Or(load.peer, res.plan.peer))}
	for _, c := range res.plan.contenders {
		key := cellKey{c.key, load.key, count}
		if m, ok := res.median(key); ok {
			base := cellKey{res.plan.peer, load.key, count}
			if load.peer != "" {
				base.contender = c.base
			}
			rows = append(rows, row(c, load.kind, m, func(of metric) (float64, bool) { return res.ratio(key, base, of) }))
		}
	}
	writeRows(w, rows)
	if load.kind.detail != nil {
		load.kind.detail(w, res, load, count)
	}
}

func header(k *kind, peer string) []string {
	cells := []string{"contender", "front"}
	for _, col := range k.columns {
		cells = append(cells, col.title)
		if col.ratio {
			cells = append(cells, "x "+peer)
		}
	}
	return cells
}

func row(c contender, k *kind, m sample, ratio func(metric) (float64, bool)) []string {
	cells := []string{c.title, c.front.name}
	for _, col := range k.columns {
		cells = append(cells, col.print(m))
		if !col.ratio {
			continue
		}
		if value, ok := ratio(col.metric); ok {
			cells = append(cells, fmt.Sprintf("%.2f", value))
		} else {
			cells = append(cells, "-")
		}
	}
	return cells
}

// writeRows prints a Markdown table whose columns line up in a terminal too.
func writeRows(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], len(text))
		}
	}
	line := func(cells []string) {
		for i, text := range cells {
			if i == 0 {
				fmt.Fprintf(w, "| %-*s |", widths[i], text)
			} else {
				fmt.Fprintf(w, " %*s |", widths[i], text)
			}
		}
		fmt.Fprintln(w)
	}
	line(rows[0])
	for i, width := range widths {
		if i == 0 {
			fmt.Fprintf(w, "|%s|", strings.Repeat("-", width+2))
		} else {
			fmt.Fprintf(w, "%s:|", strings.Repeat("-", width+1))
		}
	}
	fmt.Fprintln(w)
	for _, row := range rows[1:] {
		line(row)
	}
}

func writeVerdicts(w io.Writer, verdicts []verdict) {
	fmt.Fprintf(w, "\n## Targets (\"no worse\" allows %.0f %% for noise)\n\n", noise*100)
	unmeasured := 0
	for _, v := range verdicts {
		if v.Result == resultNone {
			unmeasured++
			continue
		}
		fmt.Fprintf(w, "%s  %s (%.2f)\n", v.Result, v.Target, v.Value)
	}
	if unmeasured > 0 {
		fmt.Fprintf(w, "----  %d of %d targets were not measured in this run\n", unmeasured, len(verdicts))
	}
}

// jsonCell is a row of a table with the samples behind it. Count is that of connections, clients or processes.
type jsonCell struct {
	Contender string     `json:"contender"`
	Front     string     `json:"front"`
	Workload  string     `json:"workload"`
	Count     int        `json:"count"`
	Median    sample     `json:"median"`
	Samples   []measured `json:"samples"`
}

// jsonReport is the form of a mode's results in the file.
type jsonReport struct {
	Mode     string     `json:"mode"`
	Machine  string     `json:"machine"`
	Shape    string     `json:"shape"`
	Load     float64    `json:"load_average"`
	Cells    []jsonCell `json:"cells"`
	Targets  []verdict  `json:"targets"`
	Failures []string   `json:"failures"`
}

func writeJSON(file string, reports []report) error {
	var list []jsonReport
	for _, r := range reports {
		list = append(list, jsonReport{r.plan.key, r.Machine, r.Shape, r.Load, r.cells(), r.verdicts, r.Failures})
	}
	data, err := json.MarshalIndent(map[string]any{"time": stamp(), "modes": list}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

func (r *results) cells() []jsonCell {
	var cells []jsonCell
	for _, load := range r.plan.workloads {
		for _, n := range r.countsOf(load) {
			for _, c := range r.plan.contenders {
				key := cellKey{c.key, load.key, n}
				if m, ok := r.median(key); ok {
					cells = append(cells, jsonCell{c.key, c.front.name, load.key, n, m, r.samples[key]})
				}
			}
		}
	}
	return cells
}
