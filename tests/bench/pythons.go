// This file is about the Pythons that libraries were built for: contenders that differ in their Python alone, and in how
// many locks (GILs) it has.
package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// pythonVersions are all that can be built for; those that were not are skipped. The t is a Python that can do without a GIL.
var pythonVersions = []string{"3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15", "3.13t", "3.14t"}

// pythonOfReference is Debian 12's, mod_wsgi's as well.
const pythonOfReference = "3.11"

// locks are the ways to compute in two application groups of one process.
type locks struct {
	key, title string
	versions   []string
	config     string // lines of a <WSGIInterpreterOptions> section
}

// oneLock is what the others are compared with, on the same Python.
var oneLock = locks{"one-gil", "one GIL", []string{"3.12", "3.13", "3.14", "3.15", "3.13t", "3.14t"}, ""}

var moreLocks = []locks{
	{"own-gil", "own GILs", []string{"3.12", "3.13", "3.14", "3.15"}, "WSGIPerInterpreterGIL On\n"},
	{"no-gil", "no GIL", []string{"3.13t", "3.14t"}, "WSGIFreeThreading On\n"},
}

func pythonKey(version string) string { return "python" + version }

// pythonContenders are ours, each with what says build of the file it needs.
func pythonContenders(ours contender, build func(file string) need) []contender {
	ours.modes, ours.optional = []string{modePythons}, true
	on := func(version string) contender {
		c := ours
		library := build("libgowsgi-" + version + ".so")
		library.from = fmt.Sprintf("make build PYTHON=\"/usr/bin/python3 /path/of/python%s\"", version)
		c.needs = append([]need{library}, ours.needs...)
		c.python = version
		return c
	}
	var list []contender
	for _, version := range pythonVersions {
		c := on(version)
		c.key, c.title, c.serves = pythonKey(version), "mod_gowsgi, Python "+version, []string{"hello"}
		list = append(list, c)
	}
	for _, version := range oneLock.versions {
		for _, way := range append([]locks{oneLock}, moreLocks...) { // one right after the other, as they are compared
			if slices.Contains(way.versions, version) {
				list = append(list, way.contender(on(version)))
			}
		}
	}
	return list
}

func (l locks) contender(c contender) contender {
	c.key, c.title = l.keyOn(c.python), fmt.Sprintf("mod_gowsgi, Python %s, %s", c.python, l.title)
	c.serves, c.base = []string{"compute"}, oneLock.keyOn(c.python)
	if l.config != "" {
		c.config += "<WSGIInterpreterOptions process-group=bench>\n" + l.config + "</WSGIInterpreterOptions>\n"
	}
	return c
}

func (l locks) keyOn(version string) string { return pythonKey(version) + "-" + l.key }

// pythonWorkloads: two clients compute at the same time in two application groups of one process.
func pythonWorkloads() []workload {
	return []workload{
		{key: "hello", title: "Hello, World!", kind: &kindLoad, counts: []int{16}, check: isHello},
		{key: "compute", title: "5 ms of pure Python, one process of two threads, two application groups", kind: &kindCrowd,
			counts: []int{2}, peer: oneLock.title, crowd: &crowd{
				group: "processes=1 threads=2", lasts: 1, next: computeOf,
				mounts: []mount{{"compute-0", "compute", " application-group=zero"}, {"compute-1", "compute", " application-group=one"}},
			}},
	}
}

func computeOf(client int, _ *rand.Rand) string { return fmt.Sprintf("compute-%d", client) }

// coresUsed is how much faster two cores must be than one.
const coresUsed = 1.7

func pythonTargets() []target {
	var list []target
	for _, version := range pythonVersions {
		if version != pythonOfReference {
			list = append(list, target{subject: pythonKey(version), against: pythonKey(pythonOfReference), workload: "hello", count: 16,
				metric: rate, atLeast: true, bound: 1 - noise})
		}
	}
	for _, way := range moreLocks {
		for _, version := range way.versions {
			list = append(list, target{subject: way.keyOn(version), against: oneLock.keyOn(version), workload: "compute", count: 2,
				metric: rate, atLeast: true, bound: coresUsed})
		}
	}
	return list
}
