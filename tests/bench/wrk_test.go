// This file tests the reading of wrk's output.
package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const wrkOutput = `Running 3s test @ http://127.0.0.1:8000/hello
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.12ms    1.37ms  23.45ms   90.12%
    Req/Sec    16.95k     1.33k   18.92k    70.00%
  Latency Distribution
     50%  812.00us
     75%    1.30ms
     90%    2.42ms
     99%    6.90ms
  50603 requests in 3.00s, 8.11MB read
Requests/sec:  16863.21
Transfer/sec:      2.70MB
`

func TestParseWrk(t *testing.T) {
	res, err := parseWrk(wrkOutput)
	require.NoError(t, err)
	assert.Equal(t, wrkResult{
		requests: 50603, rate: 16863.21,
		p50: 812 * time.Microsecond, p99: 6900 * time.Microsecond,
	}, res)
}

func TestParseWrkNamesProblems(t *testing.T) {
	out := strings.Replace(wrkOutput, "Requests/sec:",
		"  Socket errors: connect 0, read 14, write 0, timeout 2\n  Non-2xx or 3xx responses: 7\nRequests/sec:", 1)
	res, err := parseWrk(out)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"Socket errors: connect 0, read 14, write 0, timeout 2",
		"Non-2xx or 3xx responses: 7",
	}, res.problems)
}

func TestParseWrkUnits(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"12.00us": 12 * time.Microsecond,
		"1.05s":   1050 * time.Millisecond,
		"1.50m":   90 * time.Second,
	} {
		res, err := parseWrk(strings.Replace(wrkOutput, "6.90ms", text, 1))
		require.NoError(t, err, text)
		assert.Equal(t, want, res.p99, text)
	}
}

func TestParseWrkRefusesTheUnexpected(t *testing.T) {
	for name, out := range map[string]string{
		"nothing":        "",
		"no total":       strings.Replace(wrkOutput, "50603 requests in", "none in", 1),
		"no percentiles": strings.Replace(wrkOutput, "99%", "98%", 1),
		"bad time":       strings.Replace(wrkOutput, "6.90ms", "6.90xs", 1),
		"bad rate":       strings.Replace(wrkOutput, "16863.21", "many", 1),
	} {
		_, err := parseWrk(out)
		assert.ErrorIs(t, err, errNoWrkOutput, name)
	}
}
