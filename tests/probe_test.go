package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file reads what applications tell about themselves, and what /proc tells about the server's processes.

// ask returns the JSON that an application answers with status 200.
func ask[T any](t *testing.T, s *harness.Server, path string) T {
	t.Helper()
	return decodeAnswer[T](t, s.Get(path))
}

// askWith is ask with a request header.
func askWith[T any](t *testing.T, s *harness.Server, path, header, value string) T {
	t.Helper()
	req := s.Request(http.MethodGet, path, nil)
	if header == "Host" {
		req.Host = value
	}
	req.Header.Set(header, value)
	return decodeAnswer[T](t, s.Do(req))
}

func decodeAnswer[T any](t *testing.T, got harness.Response) T {
	t.Helper()
	var answer T
	require.Equal(t, http.StatusOK, got.Status, got.Body)
	require.NoError(t, json.Unmarshal([]byte(got.Body), &answer), got.Body)
	return answer
}

// pythonFacts is what apps/facts tells.
type pythonFacts struct {
	Version    string
	Executable string
	Prefix     string
	ExecPrefix string `json:"exec_prefix"`
	Path       []string
	Optimize   int
	Asserts    bool
	Docstring  *string
	Eggs       string
	PID        int
	Parent     int
	Values     map[string]string
	Hash       int64
	Warnings   []string
	Interval   float64
	Variables  []string // of os.environ, that begin with PYTHON
}

// builtFor is the Python version that the module under test needs, "3.11".
func builtFor(t *testing.T) string {
	t.Helper()
	name := filepath.Base(harness.Library(t))
	return strings.TrimSuffix(strings.TrimPrefix(name, "libgowsgi-"), ".so")
}

// debianPython skips the test when the module was built for a Python that Debian's packages are not for.
func debianPython(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/usr/bin/python" + builtFor(t)); err != nil {
		t.Skipf("the module is built for Python %s, which is not Debian's: its packages are not for it", builtFor(t))
	}
}

// asRoot skips the test when it does not run as root.
func asRoot(t *testing.T, why string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skipf("needs root: %s", why)
	}
}

// memoryKB is a line of /proc/PID/status, such as "VmRSS", in kilobytes.
func memoryKB(t *testing.T, pid int, name string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	match := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+) kB$`).FindSubmatch(text)
	require.NotNil(t, match, "%s of process %d", name, pid)
	kb, err := strconv.Atoi(string(match[1]))
	require.NoError(t, err)
	return kb
}

// openFiles is how many descriptors a process has.
func openFiles(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	require.NoError(t, err)
	return len(entries)
}

// hasLoaded tells whether a process has a file mapped whose name has the text in it.
func hasLoaded(t *testing.T, pid int, name string) bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	return strings.Contains(string(maps), name)
}

// isAlive tells whether a process exists and is no zombie.
func isAlive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}
