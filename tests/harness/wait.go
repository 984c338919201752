// This file waits for conditions.

package harness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// patience is how long a condition may take to come true. It is long: only what fails waits for it.
	patience = 20 * time.Second
	pause    = 10 * time.Millisecond
)

// Eventually waits until condition is true, and fails the test when that takes too long.
func Eventually(t testing.TB, condition func() bool, what string, args ...any) {
	t.Helper()
	if !comesTrue(patience, condition) {
		require.Failf(t, "waited in vain", what, args...)
	}
}

func comesTrue(within time.Duration, condition func() bool) bool {
	for end := time.Now().Add(within); ; {
		if condition() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		time.Sleep(pause)
	}
}
