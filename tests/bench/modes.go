// This file is the table of modes: what one run of the program compares, with whom, and what has to be reached.
package main

import (
	"fmt"
	"strings"
)

const (
	modeEmbedded = "embedded"
	modeDaemon   = "daemon"
)

// mode is chosen by -mode. Which contenders take part in it, they say themselves.
type mode struct {
	key       string
	peer      string // the contender that the tables' ratios compare with
	workloads func() []workload
	targets   func() []target
	notes     []string // lines above the tables
}

func modes() []mode {
	return []mode{
		{key: modeEmbedded, peer: "mod_wsgi", workloads: pages, targets: embeddedTargets, notes: []string{sumsNote}},
		{key: modeDaemon, peer: "mod_wsgi-daemon", workloads: pages, targets: daemonTargets, notes: []string{
			fmt.Sprintf("Daemon-mode contenders run the application in %d processes of %d threads.", daemonProcesses, daemonThreads),
			"uWSGI loads every application at its start, Django among them: its PSS compares in the Django table only.",
			sumsNote,
		}},
	}
}

const sumsNote = "CPU is that of all processes of the contender, clients apart; PSS is that of all its processes after the load."

func modeKeys() []string {
	var keys []string
	for _, m := range modes() {
		keys = append(keys, m.key)
	}
	return keys
}

func findMode(key string) (mode, error) {
	for _, m := range modes() {
		if m.key == key {
			return m, nil
		}
	}
	return mode{}, fmt.Errorf("%w: -mode is %q; it must be one of %s", errUsage, key, strings.Join(modeKeys(), ", "))
}
