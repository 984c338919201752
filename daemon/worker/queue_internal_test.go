package worker

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestIsStuck(t *testing.T) {
	const free, full, getsOn, starting = 0, 1, 2, 3
	peer := map[int][2]load{
		free:     {{serving: true}, {serving: true}},
		full:     {{serving: true, full: true, taken: 7}, {serving: true, full: true, taken: 7}},
		getsOn:   {{serving: true, full: true, taken: 7}, {serving: true, full: true, taken: 8}},
		starting: {{}, {}},
	}
	for name, c := range map[string]struct {
		before, now load
		peers       []int
		want        bool
	}{
		"a thread is free":              {load{true, true, 3}, load{true, false, 3}, []int{free}, false},
		"one took a request":            {load{true, true, 3}, load{true, true, 4}, []int{free}, false},
		"alone":                         {load{true, true, 3}, load{true, true, 3}, nil, false},
		"the other is full":             {load{true, true, 3}, load{true, true, 3}, []int{full}, false},
		"the other is not ready":        {load{true, true, 3}, load{true, true, 3}, []int{starting}, false},
		"another is free":               {load{true, true, 3}, load{true, true, 3}, []int{starting, full, free}, true},
		"another gets on":               {load{true, true, 3}, load{true, true, 3}, []int{full, getsOn}, true},
		"retired":                       {load{true, true, 3}, load{false, true, 3}, nil, true},
		"retired, and a thread is free": {load{true, true, 3}, load{false, false, 3}, []int{free}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var before, now []load
			for _, p := range c.peers {
				before, now = append(before, peer[p][0]), append(now, peer[p][1])
			}
			assert.Equal(t, c.want, isStuck(c.before, c.now, before, now))
		})
	}
}
