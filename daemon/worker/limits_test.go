package worker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

func TestLimits(t *testing.T) {
	const s = time.Second
	all := limits{inactivity: 60 * s, deadlock: 300 * s, request: 10 * s, startup: 20 * s}
	request := func(since time.Duration) []running { return []running{{"GET /", 7, since}} }
	for name, c := range map[string]struct {
		limits limits
		facts  facts
		want   daemon.ExitReason
	}{
		"nothing":                         {all, facts{now: 1000 * s, serving: true}, daemon.ExitNone},
		"idle, never used":                {all, facts{now: 1000 * s, serving: true, active: 1 * s}, daemon.ExitNone},
		"idle, just not too long":         {all, facts{now: 100 * s, serving: true, used: true, active: 40 * s}, daemon.ExitNone},
		"idle too long":                   {all, facts{now: 101 * s, serving: true, used: true, active: 40 * s}, daemon.ExitInactivity},
		"idle, no limit":                  {limits{}, facts{now: 1000 * s, serving: true, used: true, active: 40 * s}, daemon.ExitNone},
		"idle, retired already":           {all, facts{now: 1000 * s, used: true, active: 40 * s}, daemon.ExitNone},
		"request, just not too long":      {all, facts{now: 50 * s, serving: true, running: request(40 * s), active: 49 * s}, daemon.ExitNone},
		"request too long":                {all, facts{now: 51 * s, serving: true, running: request(40 * s), active: 50 * s}, daemon.ExitRequestTimeout},
		"request, retired already":        {all, facts{now: 51 * s, running: request(40 * s)}, daemon.ExitNone},
		"the GIL, just not too long":      {all, facts{now: 400 * s, serving: true, probing: 100 * s}, daemon.ExitNone},
		"the GIL too long":                {all, facts{now: 401 * s, serving: true, probing: 100 * s}, daemon.ExitDeadlock},
		"the GIL too long, retired":       {all, facts{now: 401 * s, probing: 100 * s}, daemon.ExitDeadlock},
		"the GIL is graver":               {all, facts{now: 401 * s, serving: true, probing: 100 * s, used: true, active: 1, running: request(1)}, daemon.ExitDeadlock},
		"loading too long while starting": {all, facts{now: 121 * s, loading: &running{"x", 0, 100 * s}}, daemon.ExitStartupTimeout},
		"loading, just not too long":      {all, facts{now: 120 * s, loading: &running{"x", 0, 100 * s}}, daemon.ExitNone},
		"starting too long":               {all, facts{now: 121 * s, starting: 100 * s}, daemon.ExitStartupTimeout},
		"starting, just not too long":     {all, facts{now: 120 * s, starting: 100 * s}, daemon.ExitNone},
		"loading, no limit":               {limits{}, facts{now: 1200 * s, loading: &running{"x", 0, 100 * s}}, daemon.ExitNone},
		"the request is graver":           {all, facts{now: 500 * s, serving: true, used: true, active: 1 * s, running: request(40 * s)}, daemon.ExitRequestTimeout},
	} {
		f, passed := c.limits.check(c.facts)
		assert.Equal(t, c.want, f.reason, name)
		assert.Equal(t, c.want != daemon.ExitNone, passed, name)
	}
	f, _ := all.check(facts{now: 51 * s, serving: true, running: request(40 * s)})
	assert.Equal(t, finding{daemon.ExitRequestTimeout, "GET /", 7, 11 * s}, f)
}

func TestOverdue(t *testing.T) {
	f := facts{now: 100 * time.Second, running: []running{{since: 95 * time.Second}, {since: 80 * time.Second}, {since: 90 * time.Second}}}
	assert.Equal(t, 1, limits{request: 10 * time.Second}.overdue(f))
	assert.Zero(t, limits{}.overdue(f))
}

func TestTick(t *testing.T) {
	assert.Equal(t, time.Second, limits{deadlock: 300 * time.Second}.tick())
	assert.Equal(t, 100*time.Millisecond, limits{deadlock: 300 * time.Second, request: time.Second}.tick())
}

func TestPhases(t *testing.T) {
	l := life{log: daemon.NewLogger(2, daemon.Crit)}
	assert.False(t, l.transit(draining, ""))
	for _, p := range []phase{serving, retired, draining, exiting} {
		assert.True(t, l.transit(p, ""), p.String())
		assert.False(t, l.transit(p, ""), "twice %s", p)
		assert.Equal(t, p, l.phase())
	}
	assert.False(t, l.transit(serving, ""))
}

func TestReliefDue(t *testing.T) {
	const second = time.Second
	assert.True(t, reliefDue(100, 200, 2*second, second), "the rest comes in as long as twice the loading")
	assert.False(t, reliefDue(100, 200, 3*second, second))
	assert.True(t, reliefDue(180, 200, 9*second, second))
	assert.False(t, reliefDue(0, 200, 0, second))
	assert.False(t, reliefDue(200, 200, second, second), "it retires just now")
	assert.False(t, reliefDue(5, 0, second, second))
}
