// This file turns the flags into what is run: for each mode its contenders and workloads.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// plan is a mode with what of it is wanted and can run here.
type plan struct {
	mode
	contenders []contender
	workloads  []workload
	missing    []string  // contenders that are wanted and cannot run, and why
	skipped    []skipped // those whose absence is no fault
}

// makePlans leaves out modes of which the flags name nothing.
func makePlans(opt options, all []contender) ([]plan, error) {
	if err := opt.checkNames(all); err != nil {
		return nil, err
	}
	var plans []plan
	var missing []string
	for _, m := range opt.modes {
		p := plan{mode: m}
		p.chooseWorkloads(opt.workloads)
		p.chooseContenders(opt.only, all)
		missing = append(missing, p.missing...)
		for _, s := range p.skipped {
			missing = append(missing, s.String())
		}
		if len(p.workloads) > 0 && len(p.contenders) > 0 {
			plans = append(plans, p)
		}
	}
	if len(plans) == 0 {
		return nil, fmt.Errorf("no contender can run:\n  %s", strings.Join(missing, "\n  "))
	}
	return plans, nil
}

// checkNames refuses contenders and workloads that no chosen mode has.
func (o options) checkNames(all []contender) error {
	var contenderKeys, workloadKeys []string
	for _, m := range o.modes {
		for _, c := range all {
			if c.takesPart(m) && !slices.Contains(contenderKeys, c.key) {
				contenderKeys = append(contenderKeys, c.key)
			}
		}
		for _, w := range m.workloads() {
			if !slices.Contains(workloadKeys, w.key) {
				workloadKeys = append(workloadKeys, w.key)
			}
		}
	}
	if err := checkKnown("-only", o.only, contenderKeys); err != nil {
		return err
	}
	return checkKnown("-workloads", o.workloads, workloadKeys)
}

func checkKnown(flag string, keys, known []string) error {
	for _, key := range keys {
		if !slices.Contains(known, key) {
			return fmt.Errorf("%w: %s: there is no %q; there are: %s", errUsage, flag, key, strings.Join(known, ", "))
		}
	}
	return nil
}

func (p *plan) chooseWorkloads(keys []string) {
	for _, w := range p.mode.workloads() {
		if wanted(keys, w.key) {
			p.workloads = append(p.workloads, w)
		}
	}
}

// chooseContenders takes those that serve a chosen workload and can run here.
func (p *plan) chooseContenders(keys []string, all []contender) {
	for _, c := range all {
		if !c.takesPart(p.mode) || !wanted(keys, c.key) || !slices.ContainsFunc(p.workloads, c.offers) {
			continue
		}
		lack, lacks := c.lacks()
		switch {
		case !lacks:
			p.contenders = append(p.contenders, c)
		case c.optional:
			p.skip(c.key, lack)
		default:
			text := fmt.Sprintf("%s (%s): %s, or leave the contender out with -only", c.key, c.title, lack)
			p.missing = append(p.missing, text)
			fmt.Fprintln(os.Stderr, "bench: MISSING:", text)
		}
	}
}

// skipped are contenders that lack the same.
type skipped struct {
	lack need
	keys []string
}

func (s skipped) String() string { return fmt.Sprintf("%s: %s", strings.Join(s.keys, ", "), s.lack) }

func (p *plan) skip(key string, lack need) {
	for i := range p.skipped {
		if p.skipped[i].lack == lack {
			p.skipped[i].keys = append(p.skipped[i].keys, key)
			return
		}
	}
	p.skipped = append(p.skipped, skipped{lack, []string{key}})
}

// wanted: an empty list is all.
func wanted(keys []string, key string) bool { return len(keys) == 0 || slices.Contains(keys, key) }
