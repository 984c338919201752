// This file tests the client of crowds.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestPercentile(t *testing.T) {
	var list []time.Duration
	for i := range 200 {
		list = append(list, time.Duration(i+1))
	}
	assert.Equal(t, time.Duration(100), percentile(list, 50))
	assert.Equal(t, time.Duration(198), percentile(list, 99))
	assert.Equal(t, time.Duration(1), percentile(list[:1], 99))
	assert.Equal(t, time.Duration(1), percentile(list[:3], 1))
}

// Every client asks the same in each run, and one of ten is slow.
func TestDraws(t *testing.T) {
	next := seldom(5, 500)
	draws := func(client int) (list []string, slow int) {
		draw := rand.New(rand.NewPCG(1, uint64(client)))
		for range 1000 {
			path := next(client, draw)
			list = append(list, path)
			if path == nap(500) {
				slow++
			}
		}
		return list, slow
	}
	first, slow := draws(3)
	again, _ := draws(3)
	other, _ := draws(4)
	assert.Equal(t, first, again)
	assert.NotEqual(t, first, other)
	assert.InDelta(t, 100, slow, 40)
}

// One answer of ten is refused, and the first of each client's is not timed.
func TestCrowd(t *testing.T) {
	var count, connections atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if count.Add(1)%10 == 0 {
			w.WriteHeader(http.StatusGatewayTimeout)
		}
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c := crowd{next: func(client int, _ *rand.Rand) string { return fmt.Sprintf("/%d", client) }}
	var got answers
	for lasts := 50 * time.Millisecond; count.Load() < 100; lasts *= 2 { // for as long as a loaded machine needs
		count.Store(0)
		connections.Store(0)
		got = c.ask(context.Background(), srv.URL, 4, lasts)
	}
	total := int(count.Load())
	assert.Equal(t, total/10, got.refused)
	assert.InDelta(t, total-total/10-4, len(got.waits), 4, "a first answer may be among the refused")
	assert.ErrorContains(t, got.errors[0], "504")
	assert.Equal(t, int64(4), connections.Load(), "kept open")
}
