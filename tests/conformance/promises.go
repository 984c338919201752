// This file reads promises.txt.

package main

import (
	"fmt"
	"strings"
)

// missing stands in promises.txt for a test that nobody has written yet.
const missing = "missing"

// testsFolder is where a test is when promises.txt names no folder.
const testsFolder = "tests"

// promise is what a directive, or an option, promises.
type promise struct {
	of    string // its name; "WSGIDaemonProcess name=" for an option
	text  string
	tests []test // empty when the proof is missing
}

// test is a test function, or one of its subtests.
type test struct {
	folder string // of its package
	name   string
}

func (t test) String() string {
	if t.folder == testsFolder {
		return t.name
	}
	return t.folder + ":" + t.name
}

// function is the name without subtests.
func (t test) function() string {
	name, _, _ := strings.Cut(t.name, "/")
	return name
}

// parse reads the text of promises.txt.
func parse(text string) ([]promise, error) {
	var found []promise
	of := ""
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, " "):
			p, err := parsePromise(of, line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			found = append(found, p)
		default:
			of = line
		}
	}
	return found, nil
}

func parsePromise(of, line string) (promise, error) {
	text, names, ok := strings.Cut(strings.TrimSpace(line), " => ")
	p := promise{of: of, text: text}
	if !ok || of == "" {
		return p, fmt.Errorf("not a promise with tests, under a name: %s", line)
	}
	if names == missing {
		return p, nil
	}
	for _, name := range strings.Fields(names) {
		t := test{folder: testsFolder, name: name}
		if folder, inside, ok := strings.Cut(name, ":"); ok {
			t = test{folder: folder, name: inside}
		}
		if !strings.HasPrefix(t.name, "Test") {
			return p, fmt.Errorf("not the name of a test: %s", name)
		}
		p.tests = append(p.tests, t)
	}
	return p, nil
}
