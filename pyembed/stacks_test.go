package pyembed_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

// inPlace serves a request whose application calls arrive() when it has reached the place; the file `there` is there until release.
func inPlace(t *testing.T, group, statements string) (release func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "there")
	q := body(t, "there = \""+file+"\"\ndef arrive(): open(there, \"w\").close()\n"+statements)
	q.Group = group
	done := make(chan hosttest.Response)
	go func() { done <- q.Serve() }()
	eventually(t, "the application is in place", func() bool { _, err := os.Stat(file); return err == nil })
	return func() {
		t.Helper()
		require.NoError(t, os.Remove(file))
		assert.Equal(t, hosttest.Done, (<-done).Outcome)
	}
}

func stacks(t *testing.T, patience time.Duration) string {
	t.Helper()
	lines, err := pyembed.Stacks(patience)
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}

// The stacks of each application group are shown, those of threads that the application started among them, and the process goes on.
func TestStacks(t *testing.T) {
	group := newGroup("shown")
	first := inPlace(t, "", strings.ReplaceAll(waiting, "NAME", "main_group"))
	second := inPlace(t, group, strings.ReplaceAll(waiting, "NAME", "sub_group"))
	eventually(t, "all are where they wait", func() bool {
		text := stacks(t, 5*time.Second)
		return strings.Count(text, "in until_gone") == 4 && strings.Contains(text, "in waiting_sub_group")
	})
	for range 3 {
		text := stacks(t, 5*time.Second)
		assert.Contains(t, text, "application group '':")
		assert.Contains(t, text, "application group '"+group+"':")
		assert.Contains(t, text, "in waiting_main_group")
		assert.Contains(t, text, "in waiting_sub_group")
		assert.Contains(t, text, "in background_sub_group")
		assert.NotContains(t, text, "no Python frame")
	}
	first()
	second()
	eval(t, `out.append("on")`, `['on']`)
}

// waiting is an application that waits in a function, and has a thread that waits in another, until its file is gone.
const waiting = `
def until_gone():
    while os.path.exists(there): time.sleep(0.01)
def waiting_NAME(): until_gone()
def background_NAME(): until_gone()
thread = threading.Thread(target=background_NAME)
arrive()
thread.start()
waiting_NAME()
thread.join()`

// Nobody's lock is needed: here an extension module holds the GIL and waits.
func TestStacksWithoutTheGIL(t *testing.T) {
	release := inPlace(t, "", `
import ctypes
def holding_the_gil():
    arrive()
    ctypes.PyDLL(None).usleep(900000)
holding_the_gil()`)
	began := time.Now()
	for _, patience := range []time.Duration{0, 50 * time.Millisecond} {
		assert.Contains(t, stacks(t, patience), "in holding_the_gil")
	}
	assert.Less(t, time.Since(began), 800*time.Millisecond)
	release()
	eval(t, `out.append("on")`, `['on']`)
}

// Applications may use faulthandler as they like.
func TestStacksLeaveFaulthandlerToApplications(t *testing.T) {
	eval(t, `
import faulthandler, signal, tempfile
with tempfile.TemporaryFile("w+") as f:
    faulthandler.dump_traceback(f)
    faulthandler.register(signal.SIGRTMIN + 3, f)
    signal.raise_signal(signal.SIGRTMIN + 3)
    out.append(faulthandler.unregister(signal.SIGRTMIN + 3))
    faulthandler.enable(f)
    faulthandler.disable()
    f.seek(0)
    out.append(f.read().count("in application") > 0)`, `[True, True]`)
	release := inPlace(t, "", strings.ReplaceAll(waiting, "NAME", "after"))
	assert.Contains(t, stacks(t, time.Second), "in waiting_after")
	release()
}
