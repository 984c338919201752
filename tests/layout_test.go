package tests

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// Two foreign interfaces, each seen by one folder.
func TestIncludesStayInTheirFolder(t *testing.T) {
	foreign := map[string]*regexp.Regexp{
		"c/": regexp.MustCompile(`(?m)^\s*#\s*include\s*["<]` +
			`((httpd|mpm_common|scoreboard|mod_[a-z_]+|(ap|apr|apu|http|util)_[a-z_]+)\.h)[">]`),
		"pyembed/": regexp.MustCompile(`(?m)^\s*#\s*include\s*["<](Python\.h|structmember\.h)[">]|"github\.com/DataDog/go-python3"`),
	}
	for file, text := range sources(t, "c", "pyembed", "module", "daemon", "directives") {
		for folder, include := range foreign {
			if !strings.HasPrefix(file, folder) {
				assert.Empty(t, include.FindString(text), "%s: only %s may include this", file, folder)
			}
		}
	}
}

// The walk through the files names files that are there.
func TestWalkNamesExistingFiles(t *testing.T) {
	_, rest, found := strings.Cut(readme(t), "\n## Follow one request\n")
	require.True(t, found)
	walk, _, _ := strings.Cut(rest, "\n## ")
	names := regexp.MustCompile("`((?:c|pyembed|module|daemon|directives)/[A-Za-z0-9_./]+)`").FindAllStringSubmatch(walk, -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		_, err := os.Stat(harness.Source(name[1]))
		assert.NoError(t, err)
	}
}

// Nothing in the repository points to a place that only one machine has.
func TestNoForeignPaths(t *testing.T) {
	// Written so that this file does not match itself.
	foreign := regexp.MustCompile(`\.\./share[d]|/wor[k]/|/hom[e]/[a-z]`)
	for _, file := range trackedFiles(t) {
		text, err := os.ReadFile(harness.Source(file))
		if os.IsNotExist(err) {
			continue // deleted, not committed yet
		}
		require.NoError(t, err)
		assert.Empty(t, foreign.FindString(string(text)), "%s", file)
	}
}

// trackedFiles are the files that git has or would take.
func trackedFiles(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = harness.Source("")
	out, err := cmd.Output()
	if err != nil {
		t.Skip("not a git checkout")
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
}
