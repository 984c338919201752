// This file makes the environment of a group's processes.

package supervisor

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// ErrEnvFile says which line of an env-file is wrong. It never shows what is in it.
var ErrEnvFile = errors.New("env-file")

// environment is a list of variables in which the last one of a name wins.
type environment struct {
	list  []string
	index map[string]int
}

func (e *environment) set(name, value string) {
	if at, found := e.index[name]; found {
		e.list[at] = name + "=" + value
		return
	}
	e.index[name] = len(e.list)
	e.list = append(e.list, name+"="+value)
}

func (e *environment) add(variables []string) {
	for _, v := range variables {
		if name, value, found := strings.Cut(v, "="); found {
			e.set(name, value)
		}
	}
}

// workerEnvironment is what httpd's parent has, and what the options say. foreign is the user when it is not Apache's.
func workerEnvironment(inherited []string, g *daemon.Group, foreign *identity) ([]string, error) {
	o := &g.Options
	e := environment{index: map[string]int{}}
	for _, variable := range inherited {
		// It would keep another Python from starting.
		if !g.OwnPython || !strings.HasPrefix(variable, "PYTHONHOME=") {
			e.add([]string{variable})
		}
	}
	if foreign != nil && foreign.name != "" {
		e.set("HOME", foreign.home)
		for _, name := range []string{"USER", "USERNAME", "LOGNAME"} {
			e.set(name, foreign.name)
		}
	}
	if o.Lang != "" {
		e.set("LANG", o.Lang)
	}
	if o.Locale != "" {
		e.set("LC_ALL", o.Locale)
	}
	if o.EnvFile != "" {
		text, err := os.ReadFile(o.EnvFile)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrEnvFile, err)
		}
		variables, err := parseEnvFile(string(text))
		if err != nil {
			return nil, fmt.Errorf("%w %s: %w", ErrEnvFile, o.EnvFile, err)
		}
		e.add(variables)
	}
	e.add(o.Env)
	e.set("GOWSGID_ROLE", "worker")
	e.set("GOWSGID_PYTHON", g.Python)
	return e.list, nil
}

// parseEnvFile reads lines of NAME=value. The value may stand in double or single quotes. Empty lines and those that begin with #
// are skipped.
func parseEnvFile(text string) ([]string, error) {
	var variables []string
	number := 0
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !found || !isVariable(name) {
			return nil, fmt.Errorf("line %d is not NAME=value", number)
		}
		if strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("line %d holds a NUL", number)
		}
		if value != "" && (value[0] == '"' || value[0] == '\'') {
			if len(value) < 2 || value[len(value)-1] != value[0] {
				return nil, fmt.Errorf("line %d has a quote that is not closed", number)
			}
			value = value[1 : len(value)-1]
		}
		variables = append(variables, name+"="+value)
	}
	return variables, nil
}

// isVariable tells whether name is letters, digits and underscores, and begins with no digit.
func isVariable(name string) bool {
	for i, c := range name {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
