package tests

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// Exit functions run in any case when a process ends; objects are destroyed, or left alone.
func TestDestroyInterpreter(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		for _, destroy := range []string{"On", "Off"} {
			s := harness.Start(t, harness.Config{Mode: mode, Conf: "WSGIDestroyInterpreter " + destroy + `
				WSGIScriptAlias /object "${APPS}/exits/object.wsgi" application-group=sub`})
			pid := answeredBy(t, s, "/object?"+s.Path("data"))
			s.Stop()
			assert.FileExists(t, s.Path(fmt.Sprintf("data/exited-%d", pid)))
			destroyed := s.Path(fmt.Sprintf("data/destroyed-%d", pid))
			if destroy == "On" {
				assert.FileExists(t, destroyed)
			} else {
				assert.NoFileExists(t, destroyed)
			}
		}
	})
}

// An interpreter that is replaced while the process goes on is destroyed all the same.
func TestDestroyInterpreterOfReload(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: `
			WSGIDestroyInterpreter Off
			WSGIReloadMechanism Interpreter
			WSGIScriptAlias /object "${RUN}/object.wsgi" application-group=sub`})
		copyApp(t, s, "exits/object.wsgi", "object.wsgi")
		pid := answeredBy(t, s, "/object?"+s.Path("data"))
		later := time.Now().Add(time.Hour)
		require.NoError(t, os.Chtimes(s.Path("object.wsgi"), later, later))
		assert.Equal(t, pid, answeredBy(t, s, "/object?"+s.Path("data")))
		awaitFile(t, s.Path(fmt.Sprintf("data/destroyed-%d", pid)))
	})
}
