package worker_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A panic ends the process, with a line that says what to do, and not in Go's words.
func TestDefectEndsTheProcess(t *testing.T) {
	t.Parallel()
	cmd := asUser(os.Getuid(), "defect")
	out, err := cmd.CombinedOutput()
	assert.EqualError(t, err, "exit status 1")
	assert.Regexp(t, fmt.Sprintf(`^\[.*\] \[gowsgi:crit\] \[pid %[1]d:tid \d+\] GWSGI1015: .* process %[1]d of group 'blog', .*: runtime error: `+
		`invalid memory address .* replaced\. Please report it`, cmd.Process.Pid), string(out))
	assert.Contains(t, string(out), "worker.(*worker).serve(")
	assert.NotContains(t, string(out), "\ngoroutine", "its stack has the form of the log")
}
