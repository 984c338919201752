// This file is the table of modes: what one run of the program compares, with whom, and what has to be reached.
package main

import "fmt"

const (
	modeEmbedded = "embedded"
	modeDaemon   = "daemon"
	modeFairness = "fairness"
	modeGroups   = "groups"
	modePythons  = "pythons"
	modeProfile  = "profile"
)

// mode is what -mode chooses. Which contenders take part in it, they say themselves.
type mode struct {
	key       string
	peer      string // the contender that the tables' ratios compare with
	workloads func() []workload
	targets   func() []target
	notes     []string // lines above the tables
	onDemand  bool     // it compares nothing that has to be reached, and is run only when -mode names it
}

func modes() []mode {
	return []mode{
		{key: modeEmbedded, peer: "mod_wsgi", workloads: pages, targets: embeddedTargets, notes: []string{sumsNote}},
		{key: modeDaemon, peer: "mod_wsgi-daemon", workloads: pages, targets: daemonTargets, notes: []string{
			fmt.Sprintf("Daemon-mode contenders run the application in %d processes of %d threads.", daemonProcesses, daemonThreads),
			"uWSGI loads every application at its start, Django among them: its PSS compares in the Django table only.",
			sumsNote,
		}},
		{key: modeFairness, peer: "mod_wsgi-daemon", workloads: fairness, targets: fairnessTargets, notes: []string{
			"Each client has a connection of its own, and asks again when it has its answer; the application sleeps.",
		}},
		{key: modeGroups, peer: "mod_wsgi-daemon", workloads: groups, targets: groupsTargets, notes: []string{
			fmt.Sprintf("Each process has %d threads and loads its application when it starts. PSS is that of the daemon processes, CPU that of all", daemonThreads),
			"processes; that of the start counts until the last is ready.",
		}},
		{key: modePythons, peer: "mod_wsgi-daemon", workloads: pythonWorkloads, targets: pythonTargets, notes: []string{
			"Contenders run the application in daemon processes, each on the Python that it names; mod_wsgi on Debian's.",
			sumsNote,
		}},
		{key: modeProfile, workloads: profiles, targets: noTargets, onDemand: true, notes: []string{
			"What a request costs the front server and the processes behind it: CPU, system calls, wake-ups of other threads, voluntary context",
			"switches (sleeps) and involuntary ones. CPU and switches are measured without counting system calls, which takes time.",
		}},
	}
}

const sumsNote = "CPU is that of all processes of the contender, clients apart; PSS is that of all its processes after the load."

func noTargets() []target { return nil }

// usualModes are those that are run when -mode names none.
func usualModes() []string {
	var keys []string
	for _, m := range modes() {
		if !m.onDemand {
			keys = append(keys, m.key)
		}
	}
	return keys
}

func modeKeys() []string {
	var keys []string
	for _, m := range modes() {
		keys = append(keys, m.key)
	}
	return keys
}

// findModes keeps the order of the table.
func findModes(keys []string) ([]mode, error) {
	if err := checkKnown("-mode", keys, modeKeys()); err != nil {
		return nil, err
	}
	var found []mode
	for _, m := range modes() {
		if wanted(keys, m.key) {
			found = append(found, m)
		}
	}
	return found, nil
}
