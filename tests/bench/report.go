// This file prints the results: a table for each workload and number of connections, then the targets; or JSON.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func writeReport(w io.Writer, res *results, verdicts []verdict) {
	fmt.Fprintf(w, "# Benchmark, %s mode\n\n%s.\n%s.\n", res.Mode, res.Machine, res.Shape)
	if res.Mode == modeDaemon {
		fmt.Fprintf(w, "Daemon-mode contenders run the application in %d processes of %d threads.\n", daemonProcesses, daemonThreads)
		fmt.Fprintln(w, "uWSGI loads every application at its start, Django among them: its PSS compares in the Django table only.")
	}
	fmt.Fprintln(w, "CPU is that of all processes of the contender, clients apart; PSS is that of all its processes after the load.")
	if res.Load > 0.5 {
		fmt.Fprintf(w, "**The load average was %.1f before the run: others used this machine, so compare within a table only.**\n", res.Load)
	}
	for _, load := range res.workloads {
		for _, n := range res.connectionsOf(load) {
			writeTable(w, res, load, n)
		}
	}
	writeVerdicts(w, verdicts)
}

// connectionsOf lists the numbers of connections that anything was measured with, smallest first.
func (r *results) connectionsOf(load workload) []int {
	seen := make(map[int]bool)
	for key := range r.samples {
		if key.workload == load.key {
			seen[key.connections] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func writeTable(w io.Writer, res *results, load workload, connections int) {
	unit := "connections"
	if connections == 1 {
		unit = "connection"
	}
	fmt.Fprintf(w, "\n## %s, %d %s\n\n", load.title, connections, unit)
	rows := [][]string{wrkHeader(res.Mode)}
	format := wrkRow
	if load.transfer != nil {
		rows, format = [][]string{transferHeader(res.Mode)}, transferRow
	}
	base := cellKey{peer(res.Mode), load.key, connections}
	for _, c := range res.contenders {
		key := cellKey{c.key, load.key, connections}
		m, ok := res.median(key)
		if !ok {
			continue
		}
		ratio := func(get metric) string {
			value, ok := res.ratio(key, base, get)
			if !ok {
				return "-"
			}
			return fmt.Sprintf("%.2f", value)
		}
		rows = append(rows, format(c.title, m, ratio))
	}
	writeRows(w, rows)
}

func wrkHeader(mode string) []string {
	x := "x " + peer(mode)
	return []string{"contender", "requests/s", x, "CPU us/request", x, "p50 ms", "p99 ms", x, "PSS MiB", x}
}

func wrkRow(title string, m sample, ratio func(metric) string) []string {
	return []string{
		title, fmt.Sprintf("%.0f", m.Rate), ratio(rate), fmt.Sprintf("%.1f", m.CPU), ratio(cpu),
		fmt.Sprintf("%.2f", m.P50), fmt.Sprintf("%.2f", m.P99), ratio(p99), mib(m.PSS), ratio(pss),
	}
}

func transferHeader(mode string) []string {
	x := "x " + peer(mode)
	return []string{"contender", "MiB/s", x, "CPU ms/transfer", x, "peak growth MiB", "PSS MiB", x}
}

func transferRow(title string, m sample, ratio func(metric) string) []string {
	return []string{
		title, fmt.Sprintf("%.0f", m.Rate*transferSize/mebi), ratio(rate), fmt.Sprintf("%.1f", m.CPU/1000), ratio(cpu),
		mib(m.Growth), mib(m.PSS), ratio(pss),
	}
}

func mib(n int64) string { return fmt.Sprintf("%.1f", float64(n)/mebi) }

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

// jsonCell is a row of a table with the samples behind it.
type jsonCell struct {
	Contender   string   `json:"contender"`
	Workload    string   `json:"workload"`
	Connections int      `json:"connections"`
	Median      sample   `json:"median"`
	Samples     []sample `json:"samples"`
}

func writeJSON(file string, res *results, verdicts []verdict) error {
	var cells []jsonCell
	for _, load := range res.workloads {
		for _, n := range res.connectionsOf(load) {
			for _, c := range res.contenders {
				key := cellKey{c.key, load.key, n}
				if m, ok := res.median(key); ok {
					cells = append(cells, jsonCell{c.key, load.key, n, m, res.samples[key]})
				}
			}
		}
	}
	data, err := json.MarshalIndent(map[string]any{
		"time": stamp(), "mode": res.Mode, "machine": res.Machine, "shape": res.Shape, "load_average": res.Load,
		"cells": cells, "targets": verdicts, "failures": res.Failures,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}
