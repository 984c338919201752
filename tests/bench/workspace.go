// This file makes the folder that a run works in: applications, static files, and the modules that have to be where
// httpd's unprivileged children can open them.
package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed apps/*.wsgi apps/*.py floor/mod_floor.c
var embedded embed.FS

// workspace is <root>/apps, htdocs, modules, and a folder for each started httpd.
type workspace struct {
	root string
	opt  options
	cc   []string
}

func newWorkspace(opt options, t tools) (*workspace, error) {
	root, err := os.MkdirTemp("", "gowsgi-bench-")
	if err != nil {
		return nil, err
	}
	// httpd's children are another user's when the benchmark runs as root; they must get in.
	if err := os.Chmod(root, 0o755); err != nil {
		return nil, err
	}
	return &workspace{root: root, opt: opt, cc: t.cc}, nil
}

func (s *workspace) remove(keep bool) {
	if keep {
		fmt.Fprintln(os.Stderr, "bench: kept", s.root)
		return
	}
	if err := os.RemoveAll(s.root); err != nil {
		fmt.Fprintln(os.Stderr, "bench: cannot remove the working folder:", err)
	}
}

// fill writes what the chosen contenders and workloads need.
func (s *workspace) fill(ctx context.Context, plans []plan) error {
	var chosen []contender
	var loads []workload
	for _, p := range plans {
		chosen = append(chosen, p.contenders...)
		loads = append(loads, p.workloads...)
	}
	for _, dir := range []string{"apps", "htdocs", "modules"} {
		if err := os.Mkdir(filepath.Join(s.root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := s.writeApps(); err != nil {
		return err
	}
	if err := s.writeStatic(loads); err != nil {
		return err
	}
	loaded := func(module string) bool {
		return slices.ContainsFunc(chosen, func(c contender) bool {
			return slices.ContainsFunc(c.modules, func(m loadModule) bool { return m.name == module })
		})
	}
	if loaded(floorModule) {
		if err := s.compileFloor(ctx); err != nil {
			return err
		}
	}
	if loaded(ourModule) {
		return s.copyBuild()
	}
	return nil
}

func (s *workspace) writeApps() error {
	return fs.WalkDir(embedded, "apps", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := embedded.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(s.root, path), data, 0o644)
	})
}

// writeStatic writes the files whose bytes equal the applications' answers.
func (s *workspace) writeStatic(loads []workload) error {
	content := map[string][]byte{
		"hello": []byte(helloBody),
		"large": bytes.Repeat([]byte("x"), largeSize),
	}
	for _, w := range loads {
		if w.key == "file" {
			content["file"] = bytes.Repeat([]byte("x"), transferSize)
		}
	}
	for name, data := range content {
		if err := os.WriteFile(filepath.Join(s.root, "htdocs", name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (s *workspace) compileFloor(ctx context.Context) error {
	source, err := embedded.ReadFile("floor/mod_floor.c")
	if err != nil {
		return err
	}
	file := filepath.Join(s.root, "modules", "mod_floor.c")
	if err := os.WriteFile(file, source, 0o644); err != nil {
		return err
	}
	args := slices.Concat(s.cc[1:], []string{"-shared", "-fPIC", "-Wall", "-Wextra",
		"-o", strings.TrimSuffix(file, ".c") + ".so", file})
	out, err := exec.CommandContext(ctx, s.cc[0], args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("the floor module does not compile: %w\n%s", err, out)
	}
	return nil
}

// copyBuild copies our files: the checkout may be where httpd's children cannot look, and they find each other by folder.
func (s *workspace) copyBuild() error {
	libraries, err := filepath.Glob(filepath.Join(s.opt.build, "libgowsgi*.so"))
	if err != nil {
		return err
	}
	for _, file := range append(libraries, "mod_gowsgi.so", "gowsgid") {
		name := filepath.Base(file)
		err := copyFile(filepath.Join(s.opt.build, name), filepath.Join(s.root, "modules", name))
		if name == "gowsgid" && errors.Is(err, fs.ErrNotExist) {
			continue // embedded mode does without; the daemon-mode contender states its need itself
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
