// This file holds README.md's reference against the tables.

package directives

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the reference into README.md")

const readme = "../README.md"

// marked finds the part of text between the two markers of a name.
func marked(t *testing.T, text, name string) (before, inside, after string) {
	t.Helper()
	begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
	before, rest, ok := strings.Cut(text, begin)
	require.True(t, ok, "README.md has no line %s", begin)
	inside, after, ok = strings.Cut(rest, end)
	require.True(t, ok, "README.md has no %s after %s", end, begin)
	return before + begin, inside, end + after
}

func TestReadmeReference(t *testing.T) {
	content, err := os.ReadFile(readme)
	require.NoError(t, err)
	text := string(content)
	for name, want := range map[string]string{"directives": DirectiveReference(), "options": OptionReference()} {
		before, inside, after := marked(t, text, name)
		if *update {
			text = before + want + after
			continue
		}
		assert.Equal(t, want, inside, "run: go test ./directives -run Readme -update")
	}
	if *update {
		require.NoError(t, os.WriteFile(readme, []byte(text), 0o644))
	}
}
