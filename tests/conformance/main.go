// Command conformance proves, promise by promise, that the directives do what they promise: it runs the tests that
// promises.txt names, and prints the list with PASS or FAIL. It ends with status 1 unless all passed.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

//go:embed promises.txt
var promisesText string

func main() {
	only := flag.String("only", "", "a regular expression: only directives and options of these names")
	flag.Parse()
	kept, err := pick(*only)
	if err == nil {
		var results results
		if results, err = runTests(kept, os.Stderr); err == nil && report(os.Stdout, kept, results) {
			return
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	os.Exit(1)
}

// pick are the promises of what the expression names.
func pick(only string) ([]promise, error) {
	all, err := parse(promisesText)
	if err != nil {
		return nil, fmt.Errorf("promises.txt: %w", err)
	}
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	var kept []promise
	for _, p := range all {
		if pattern.MatchString(p.of) {
			kept = append(kept, p)
		}
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("nothing is named %s", only)
	}
	return kept, nil
}

// The verdicts on a promise. A test that was skipped, or did not run, proves nothing.
const (
	pass       = "PASS"
	fail       = "FAIL"
	skipped    = "SKIP"
	notProved  = "MISSING"
	doesNotRun = "NOT RUN"
)

// verdict is what the results say of a promise, with the names of the tests that are to blame.
func (r results) verdict(p promise) (string, []string) {
	if len(p.tests) == 0 {
		return notProved, nil
	}
	worst := pass
	var blamed []string
	for _, t := range p.tests {
		v, ok := r.verdicts[t]
		if !ok {
			v = doesNotRun
		}
		if v != pass {
			blamed = append(blamed, t.String())
			if worst != fail {
				worst = v
			}
		}
	}
	return worst, blamed
}

// report prints the list, then what the tests said that failed, and tells whether all is proved.
func report(to io.Writer, promises []promise, r results) bool {
	counts := map[string]int{}
	of := ""
	for _, p := range promises {
		if p.of != of {
			of = p.of
			fmt.Fprintf(to, "\n%s\n", of)
		}
		verdict, blamed := r.verdict(p)
		counts[verdict]++
		fmt.Fprintf(to, "  %-7s  %s", verdict, p.text)
		if len(blamed) > 0 {
			fmt.Fprintf(to, "  (%s)", strings.Join(blamed, ", "))
		}
		fmt.Fprintln(to)
	}
	fmt.Fprint(to, r.said)
	fmt.Fprintf(to, "\n%d promises:", len(promises))
	for _, verdict := range []string{pass, fail, skipped, doesNotRun, notProved} {
		if n := counts[verdict]; n > 0 {
			fmt.Fprintf(to, " %d %s", n, verdict)
		}
	}
	fmt.Fprintln(to)
	return counts[pass] == len(promises)
}
