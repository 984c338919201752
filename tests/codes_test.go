package tests

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

var codePattern = regexp.MustCompile(`GWSGI\d{4}`)

// sources returns the non-test C, Go and Python files of the named folders, by their path in the checkout.
func sources(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, folder := range folders {
		err := filepath.WalkDir(harness.Source(folder), func(file string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(file, "_test.go") {
				return err
			}
			if slices.Contains([]string{".c", ".h", ".def", ".go", ".py"}, filepath.Ext(file)) {
				text, err := os.ReadFile(file)
				found[strings.TrimPrefix(file, harness.Source("")+"/")] = string(text)
				return err
			}
			return nil
		})
		require.NoError(t, err)
	}
	return found
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(harness.Source("README.md"))
	require.NoError(t, err)
	return string(text)
}

// section is the text between <!-- name:begin --> and <!-- name:end -->.
func section(t *testing.T, text, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "<!-- "+name+":begin -->")
	require.True(t, found, "README.md: no %s:begin", name)
	inside, _, found := strings.Cut(rest, "<!-- "+name+":end -->")
	require.True(t, found, "README.md: no %s:end", name)
	return inside
}

// Every code that can be logged is in the README's table, once, and nothing else is.
func TestLogCodesAreDocumented(t *testing.T) {
	logged := map[string]bool{}
	for _, text := range sources(t, "c", "pyembed", "module", "daemon", "directives") {
		for _, code := range codePattern.FindAllString(text, -1) {
			logged[code] = true
		}
	}
	listed := map[string]int{}
	row := regexp.MustCompile(`^\| (GWSGI\d{4}) \| (warn|error|crit|alert|emerg) \| .+ \| .+ \|$`)
	for _, line := range strings.Split(section(t, readme(t), "codes"), "\n") {
		if !strings.Contains(line, "GWSGI") {
			continue
		}
		m := row.FindStringSubmatch(line)
		if assert.NotNil(t, m, "not a row of | code | level | meaning | what to do |: %s", line) {
			listed[m[1]]++
		}
	}
	for code, times := range listed {
		assert.Equal(t, 1, times, "%s is in README.md more than once", code)
	}
	assert.Equal(t, slices.Sorted(maps.Keys(logged)), slices.Sorted(maps.Keys(listed)), "logged, and listed in README.md")
}

// levelPattern is how the sources name a line's level, before its text.
var levelPattern = regexp.MustCompile(`(?:LOG_|daemon\.|level|gowsgi:|\()(?i)(warn|err|crit)(?:ing|or)?\b`)

// The table says the level at which a line is logged, wherever the statement that logs it names that first.
func TestLogLevelsAreDocumented(t *testing.T) {
	listed := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (GWSGI\d{4}) \| (\w+) `).FindAllStringSubmatch(section(t, readme(t), "codes"), -1) {
		listed[m[1]] = m[2]
	}
	seen := map[string]bool{}
	for file, text := range sources(t, "c", "pyembed", "module", "daemon") {
		for _, at := range codePattern.FindAllStringIndex(text, -1) {
			statement := text[strings.LastIndexAny(text[:at[0]], ";{}")+1 : at[0]]
			if found := levelPattern.FindAllStringSubmatch(statement, -1); found != nil {
				code, level := text[at[0]:at[1]], strings.ToLower(found[len(found)-1][1])
				seen[code] = true
				assert.True(t, strings.HasPrefix(listed[code], level), "%s: %s at %s, in README.md %s", file, code, level, listed[code])
			}
		}
	}
	assert.Greater(t, len(seen), len(listed)*2/3, "lines that this test understands")
}

// In processes that live as long as httpd no goroutine ends with Go's own words for a panic, which have no code.
func TestGoroutinesOfDaemonsAreGuarded(t *testing.T) {
	bare := regexp.MustCompile(`(?m)^\s*go .*`)
	guarded := regexp.MustCompile(`^\s*go (w\.)?guarded\(`)
	for file, text := range sources(t, "daemon") {
		for _, line := range bare.FindAllString(text, -1) {
			if filepath.Ext(file) == ".go" {
				assert.Regexp(t, guarded, line, file)
			}
		}
	}
}
