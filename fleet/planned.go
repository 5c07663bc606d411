package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrUnplanned means that the cloud, stack.yaml or the secrets are not as they were when a plan was written.
var ErrUnplanned = errors.New("it is not what the plan says; make a new one")

// checkPlanned refuses to bring about anything that the plan does not have which an operator has read.
func (f *Fleet) checkPlanned(ctx context.Context) error {
	if f.Planned == nil {
		return nil
	}

	if f.Planned.Stack != f.Stack.Name || f.Planned.Cloud != f.Stack.Cloud {
		return fmt.Errorf("plan of stack %s on %s: %w: this is %s on %s",
			f.Planned.Stack, f.Planned.Cloud, ErrUnplanned, f.Stack.Name, f.Stack.Cloud)
	}

	now, err := ReadPlan(ctx, f.Config)
	if err != nil {
		return err
	}

	var lines []string

	for _, one := range now.Differences {
		// What was mended meanwhile is no harm: less is left to do.
		if !slices.Contains(f.Planned.Differences, one) {
			lines = append(lines, fmt.Sprintf("\n  %s %s %s: %s", one.Action, one.Kind, one.Name, one.Reason))
		}
	}

	if len(lines) > 0 {
		return fmt.Errorf("%w:%s", ErrUnplanned, strings.Join(lines, ""))
	}

	return nil
}
