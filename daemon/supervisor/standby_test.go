package supervisor

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// relievedRig has a worker that serves, and another one that was started to stand by.
func relievedRig(t *testing.T) (r *rig, old, next *fake) {
	r = newRig(t, func(g *daemon.Group) { g.Processes, g.SlotCount = 1, 4 })
	old = r.started[0]
	assert.False(t, old.standby)
	r.says(old, daemon.Message{Verb: daemon.Relieve})
	require.Len(t, r.started, 1, "one that is not ready needs no replacement")
	r.allReady()
	r.says(old, daemon.Message{Verb: daemon.Relieve})
	r.says(old, daemon.Message{Verb: daemon.Relieve})
	require.Len(t, r.started, 2)
	next = r.started[1]
	assert.True(t, next.standby)
	return r, old, next
}

var (
	serve = []daemon.Verb{daemon.Serve}
	drain = []daemon.Verb{daemon.Drain}
)

func TestStandsByUntilTheOldOneRetires(t *testing.T) {
	r, old, next := relievedRig(t)
	r.says(next, daemon.Message{Verb: daemon.Standby})
	assert.Empty(t, next.sent)
	assert.Equal(t, daemon.Starting, r.state(next), "it gets no requests")
	r.retires(old, daemon.ExitMaximumRequests)
	assert.Equal(t, serve, next.sent)
	assert.Empty(t, old.sent)
	r.says(next, daemon.Message{Verb: daemon.Ready})
	assert.Equal(t, drain, old.sent)
	r.pass(time.Hour)
	assert.Equal(t, serve, next.sent, "nobody dismisses it")
	require.Len(t, r.started, 2)
}

func TestOldOneRetiresBeforeTheNextStandsBy(t *testing.T) {
	r, old, next := relievedRig(t)
	r.retires(old, daemon.ExitMaximumRequests)
	assert.Empty(t, next.sent)
	r.says(next, daemon.Message{Verb: daemon.Standby})
	assert.Equal(t, serve, next.sent)
}

func TestStandsByWhenTheOldOneDies(t *testing.T) {
	for _, loaded := range []bool{true, false} {
		r, old, next := relievedRig(t)
		if loaded {
			r.says(next, daemon.Message{Verb: daemon.Standby})
		}
		r.ends(old, syscall.WaitStatus(syscall.SIGSEGV))
		if !loaded {
			r.says(next, daemon.Message{Verb: daemon.Standby})
		}
		assert.Equal(t, serve, next.sent)
		r.says(next, daemon.Message{Verb: daemon.Ready})
		assert.Equal(t, daemon.Serving, r.state(next))
		r.pass(time.Hour)
		require.Len(t, r.started, 2)
	}
}

// When the requests do not come, it is not kept; when they do after all, there is another one.
func TestStandsByNotForEver(t *testing.T) {
	r, old, next := relievedRig(t)
	r.pass(3 * time.Second)
	r.says(next, daemon.Message{Verb: daemon.Standby})
	r.pass(5 * time.Second)
	assert.Empty(t, next.sent)
	r.pass(time.Second)
	assert.Equal(t, drain, next.sent)
	r.ends(next, 0)
	r.pass(time.Hour)
	require.Len(t, r.started, 2)
	assert.Empty(t, r.codes())
	r.says(old, daemon.Message{Verb: daemon.Relieve})
	require.Len(t, r.started, 3)
}

// One that stands by would serve what was there before the change.
func TestReloadDoesNotUseWhatStandsBy(t *testing.T) {
	r, old, next := relievedRig(t)
	r.says(next, daemon.Message{Verb: daemon.Standby})
	r.retires(old, daemon.ExitReload)
	assert.Equal(t, drain, next.sent)
	require.Len(t, r.started, 3)
	assert.False(t, r.started[2].standby)
	r.says(r.started[2], daemon.Message{Verb: daemon.Ready})
	assert.Equal(t, drain, old.sent)
}

func TestDeathOfWhatStandsBy(t *testing.T) {
	r, old, next := relievedRig(t)
	r.says(next, daemon.Message{Verb: daemon.Standby})
	r.ends(next, syscall.WaitStatus(syscall.SIGKILL))
	assert.Equal(t, []string{"GWSGI0903"}, r.codes())
	r.pass(time.Second)
	require.Len(t, r.started, 3)
	assert.True(t, r.started[2].standby)
	assert.Empty(t, old.sent)
	assert.Equal(t, daemon.Serving, r.state(old))
}

func TestLeaseEndsWhileOneStandsBy(t *testing.T) {
	r, _, next := relievedRig(t)
	r.says(next, daemon.Message{Verb: daemon.Standby})
	r.leaseEnd()
	assert.Equal(t, drain, next.sent)
}
