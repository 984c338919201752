// This file holds promises.txt against the tables of directives and the sources of the tests.

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/directives"
)

const checkout = "../.."

func promises(t *testing.T) []promise {
	t.Helper()
	all, err := parse(promisesText)
	require.NoError(t, err)
	return all
}

// Each row of the tables has promises, and nothing else has.
func TestEveryRowHasPromises(t *testing.T) {
	var rows, listed []string
	for _, row := range directives.All() {
		rows = append(rows, row.Name)
	}
	for _, row := range directives.Options() {
		rows = append(rows, "WSGIDaemonProcess "+row.Name+"=")
	}
	for _, p := range promises(t) {
		listed = append(listed, p.of)
	}
	slices.Sort(rows)
	slices.Sort(listed)
	assert.Equal(t, rows, slices.Compact(listed))
}

func TestPromisesAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range promises(t) {
		assert.False(t, seen[p.of+" "+p.text], "%s: twice: %s", p.of, p.text)
		seen[p.of+" "+p.text] = true
	}
}

// Each promise has a test, and each test is there; what is marked as missing is said, and not an error.
func TestPromisesHaveTests(t *testing.T) {
	sources := map[string]string{}
	for _, p := range promises(t) {
		if len(p.tests) == 0 {
			t.Logf("no test: %s: %s", p.of, p.text)
		}
		for _, named := range p.tests {
			if sources[named.folder] == "" {
				sources[named.folder] = sourceOf(t, named.folder)
			}
			body := functionIn(sources[named.folder], named.function())
			if assert.NotEmpty(t, body, "%s: no test %s", p.of, named) {
				assert.True(t, mayHave(body, named), "%s: no subtest %s", p.of, named)
			}
		}
	}
}

func sourceOf(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(checkout, folder, "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no tests in %s", folder)
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}

// functionIn is the source of a test function, empty when there is none.
func functionIn(source, name string) string {
	return regexp.MustCompile(`(?ms)^func ` + regexp.QuoteMeta(name) + `\(t \*testing\.T\) \{.*?^\}`).FindString(source)
}

// mayHave tells whether a function can have that subtest. Names that it makes while it runs are seen then: a subtest that did
// not run proves nothing.
func mayHave(body string, named test) bool {
	return named.name == named.function() || regexp.MustCompile(`t\.Run\(|[eE]ach[A-Z]\w*\(t`).MatchString(body)
}

func TestParse(t *testing.T) {
	got, err := parse("# a comment\n\nWSGIx\n  It does => TestA TestB/sub other:TestC\n  It will => missing\n")
	require.NoError(t, err)
	assert.Equal(t, []promise{
		{"WSGIx", "It does", []test{{"tests", "TestA"}, {"tests", "TestB/sub"}, {"other", "TestC"}}},
		{"WSGIx", "It will", nil},
	}, got)
	for _, wrong := range []string{"  No name => TestA", "WSGIx\n  No test", "WSGIx\n  No test => nonsense"} {
		_, err := parse(wrong)
		assert.Error(t, err, wrong)
	}
}

func TestReport(t *testing.T) {
	all, err := parse("WSGIx\n  One => TestA/sub\n  Two => TestA TestB\n  Three => TestC\n  Four => missing\n  Five => TestD\n")
	require.NoError(t, err)
	events := `{"Action":"output","Package":"` + module + `tests","Test":"TestB","Output":"it is broken\n"}
{"Action":"pass","Package":"` + module + `tests","Test":"TestA/sub"}
{"Action":"pass","Package":"` + module + `tests","Test":"TestA"}
{"Action":"fail","Package":"` + module + `tests","Test":"TestB"}
{"Action":"skip","Package":"` + module + `tests","Test":"TestC"}
{"Action":"fail","Package":"` + module + `tests"}
`
	var progress, out strings.Builder
	r := readEvents(strings.NewReader(events), &progress)
	assert.False(t, report(&out, all, r))
	assert.Equal(t, "PASS TestA\nFAIL TestB\nSKIP TestC\n", progress.String())
	for _, line := range []string{"WSGIx\n", "  PASS     One\n", "  FAIL     Two  (TestB)\n", "  SKIP     Three  (TestC)\n", "  MISSING  Four\n",
		"  NOT RUN  Five  (TestD)\n", "it is broken\n", "5 promises: 1 PASS 1 FAIL 1 SKIP 1 NOT RUN 1 MISSING\n"} {
		assert.Contains(t, out.String(), line)
	}
	assert.True(t, report(&out, all[:1], r))
}
