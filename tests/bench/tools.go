// This file finds the programs that the benchmark uses: httpd as apxs describes it, the C compiler, wrk, and perf.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
)

// tools is read-only after findTools.
type tools struct {
	httpd   string
	modules string   // folder of httpd's own modules
	cc      []string // compiler and flags for a module of this httpd
	wrk     string
	perf    string // empty: there is none that can be used
	version string // what httpd says it is
	user    string // whom httpd's children run as; empty: whoever runs the benchmark
	group   string
}

func findTools(apxs string) (tools, error) {
	var t tools
	query := func(name string) string {
		out, err := exec.Command(apxs, "-q", name).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	if query("SBINDIR") == "" {
		return t, fmt.Errorf("%s does not answer: install httpd and its headers (Debian: apache2 and apache2-dev), or name it with -apxs", apxs)
	}
	t.httpd = filepath.Join(query("SBINDIR"), query("PROGNAME"))
	t.modules = query("LIBEXECDIR")
	t.cc = strings.Fields(query("CC"))
	for _, name := range []string{"CFLAGS", "CPPFLAGS", "EXTRA_CFLAGS", "EXTRA_CPPFLAGS"} {
		t.cc = append(t.cc, strings.Fields(query(name))...)
	}
	t.cc = append(t.cc, "-I"+query("INCLUDEDIR"), "-I"+query("APR_INCLUDEDIR"), "-I"+query("APU_INCLUDEDIR"))
	var err error
	if t.wrk, err = exec.LookPath("wrk"); err != nil {
		return t, fmt.Errorf("wrk is not installed (Debian: apt-get install wrk): %w", err)
	}
	t.perf = findPerf()
	out, err := exec.Command(t.httpd, "-v").Output()
	if err != nil {
		return t, fmt.Errorf("%s -v: %w", t.httpd, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	t.version = strings.TrimSpace(strings.TrimPrefix(line, "Server version:"))
	t.user, t.group, err = unprivileged()
	return t, err
}

// unprivileged says whom httpd's children run as: httpd refuses to run them as root.
func unprivileged() (name, group string, err error) {
	if os.Geteuid() != 0 {
		return "", "", nil
	}
	for _, candidate := range []string{"www-data", "apache", "daemon", "nobody"} {
		u, err := user.Lookup(candidate)
		if err != nil {
			continue
		}
		g, err := user.LookupGroupId(u.Gid)
		if err == nil {
			return u.Username, g.Name, nil
		}
	}
	return "", "", fmt.Errorf("the benchmark runs as root and found no user to run httpd's children as (www-data, apache, daemon, nobody)")
}
