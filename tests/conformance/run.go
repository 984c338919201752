// This file runs the tests with go test and reads its events.

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// module is the path that go test puts before a package's folder.
const module = "github.com/mod-gowsgi/mod_gowsgi/"

// timeout is for all tests of a package.
const timeout = "45m"

// results are what go test told.
type results struct {
	verdicts map[test]string
	said     string // what the tests that failed said
}

// event is one of go test -json. Its fields are go's.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// runTests runs all that the promises name, and writes down meanwhile what is through.
func runTests(promises []promise, progress io.Writer) (results, error) {
	folders, pattern := selection(promises)
	args := append([]string{"test", "-json", "-count=1", "-timeout", timeout, "-run", pattern}, folders...)
	cmd := exec.Command("go", args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return results{}, err
	}
	cmd.Stderr = progress
	if err := cmd.Start(); err != nil {
		return results{}, err
	}
	r := readEvents(out, progress)
	err = cmd.Wait()
	if len(r.verdicts) == 0 {
		return r, fmt.Errorf("go test ran nothing: %w\n%s", err, r.said)
	}
	return r, nil // the verdicts say what failed
}

// selection is what go test is asked for: the packages, and the pattern of the functions.
func selection(promises []promise) (folders []string, pattern string) {
	var functions []string
	for _, p := range promises {
		for _, t := range p.tests {
			functions = append(functions, t.function())
			folders = append(folders, "./"+t.folder)
		}
	}
	slices.Sort(functions)
	slices.Sort(folders)
	return slices.Compact(folders), "^(" + strings.Join(slices.Compact(functions), "|") + ")$"
}

func readEvents(from io.Reader, progress io.Writer) results {
	r := results{verdicts: map[test]string{}}
	output := map[test]*strings.Builder{}
	var said strings.Builder
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			r.said = said.String()
			return r
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			said.Write(line) // of go itself, such as a build that fails
			continue
		}
		t := test{folder: strings.TrimPrefix(e.Package, module), name: e.Test}
		switch verdict := map[string]string{"pass": pass, "fail": fail, "skip": skipped}[e.Action]; {
		case e.Action == "output" || e.Action == "build-output":
			if output[t] == nil {
				output[t] = &strings.Builder{}
			}
			output[t].WriteString(e.Output)
		case verdict != "":
			if verdict == fail && output[t] != nil {
				said.WriteString("\n" + output[t].String())
			}
			delete(output, t)
			if t.name == "" {
				continue // the package as a whole
			}
			r.verdicts[t] = verdict
			if t.name == t.function() {
				fmt.Fprintf(progress, "%s %s\n", verdict, t)
			}
		}
	}
}
