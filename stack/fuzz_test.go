package stack_test

import (
	"testing"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/stack"
)

// FuzzParse reads anything: it is a stack, or what is wrong with it has a place.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		text,
		apiText,
		"roles: {web: }\nnodes: [{role: web, settings: *a}]\nload_balancer: {nodes: [a]}",
		"site: &a {title: x}\nbalancers: [*a, {name: 1}]\nreserved_ip: []",
		"roles: {web: {<<: {title: x}, [a]: b}}",
		"- 1",
	} {
		f.Add(seed)
	}

	all := manifests(f)

	f.Fuzz(func(t *testing.T, text string) {
		s, err := stack.Parse("s.yaml", []byte(text), all)
		if err == nil {
			s.AllBalancers()
			s.URLs(all)

			return
		}

		problems, ok := report.Of(err)
		if !ok {
			t.Fatalf("no list of problems: %v", err)
		}

		for _, problem := range problems {
			if problem.Line < 1 || problem.Message == "" {
				t.Errorf("a problem without a place or words: %v", problem)
			}
		}
	})
}
