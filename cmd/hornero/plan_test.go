package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

func TestAPlanIsPrintedByKind(t *testing.T) {
	plan := fleet.Plan{
		Version: fleet.PlanVersion,
		Stack:   "shop",
		Cloud:   "lab",
		Price:   fleet.Price{Now: 84, After: 96},
		Differences: []fleet.Difference{
			{
				Kind:   fleet.KindBalancer,
				Name:   "hornero-shop",
				Action: fleet.ActionChange,
				Reason: "idle time 60 s -> 150 s",
				By:     fleet.NothingYet + "change it",
			},
			{
				Kind:   fleet.KindNode,
				Name:   "stock-1",
				Action: fleet.ActionReplace,
				Reason: "size s-1vcpu-1gb -> s-2vcpu-2gb",
				By:     "hornero replace stock-1",
			},
			{
				Kind:   fleet.KindNode,
				Name:   "stock-2",
				Action: fleet.ActionLaunch,
				Reason: "it has no Droplet",
				By:     "hornero up",
			},
		},
	}

	var out bytes.Buffer
	require.NoError(t, printPlan(&out, plan, false))
	require.Equal(t, `stack shop on lab

load balancer
  ~ hornero-shop  change: idle time 60 s -> 150 s
                  nothing yet: change it

node
  ~ stock-1       replace: size s-1vcpu-1gb -> s-2vcpu-2gb (`+"`hornero replace stock-1`"+`)
  + stock-2       launch: it has no Droplet (`+"`hornero up`"+`)

Plan: 1 to launch, 1 to change, 1 to replace. It costs about $84 a month, and $96 afterwards.
`, out.String())

	out.Reset()
	require.NoError(t, printPlan(&out, plan, true))

	var read map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &read))
	require.EqualValues(t, 1, read["version"])
	require.Equal(t, map[string]any{
		"kind":   "node",
		"name":   "stock-2",
		"action": "launch",
		"reason": "it has no Droplet",
		"by":     "hornero up",
	}, read["differences"].([]any)[2])
}

func TestAPlanWithoutDifferences(t *testing.T) {
	plan := fleet.Plan{
		Version:     fleet.PlanVersion,
		Stack:       "shop",
		Cloud:       "lab",
		Differences: []fleet.Difference{},
	}

	var out bytes.Buffer
	require.NoError(t, printPlan(&out, plan, false))
	require.Equal(t, "stack shop on lab\nNothing to do: the cloud is as stack.yaml says. "+
		"`hornero plan --help` tells what was compared.\n"+
		"It costs about $0 a month.\n", out.String())

	out.Reset()
	require.NoError(t, printPlan(&out, plan, true))
	require.Contains(t, out.String(), `"differences": []`)
}

// Warnings come last, and change neither the total nor the exit code.
func TestWarningsOfAPlan(t *testing.T) {
	plan := fleet.Plan{
		Stack:       "shop",
		Cloud:       "lab",
		Differences: []fleet.Difference{},
		Warnings:    []string{"port 22 is open", "a firewall is not ours"},
	}

	var out bytes.Buffer
	require.NoError(t, printPlan(&out, plan, false))
	require.Equal(t, "stack shop on lab\n"+planNothing+"\nIt costs about $0 a month.\n\nwarning: port 22 is "+
		"open\n\nwarning: a firewall is not ours\n", out.String())
	require.NoError(t, planExit(plan, true))

	out.Reset()
	plan.Differences = []fleet.Difference{{
		Kind:   fleet.KindFirewall,
		Name:   "hornero-shop-web",
		Action: fleet.ActionCreate,
		Reason: "it is not there",
		By:     "hornero up",
	}}
	require.NoError(t, printPlan(&out, plan, false))
	require.Contains(t, out.String(), "\nPlan: 1 to create. It costs about $0 a month.\n\nwarning: port 22 is open\n")

	out.Reset()
	require.NoError(t, printPlan(&out, plan, true))
	require.Contains(t, out.String(), `"warnings": [`)
}

// Each action has a sign and a total, or a line would be printed that nobody counts.
func TestEachActionIsShownAndCounted(t *testing.T) {
	require.Len(t, totals, len(signs))

	for _, total := range totals {
		require.NotEmpty(t, signs[total.action], total.action)
	}
}

func TestTheExitCodeOfAPlanIsTerraforms(t *testing.T) {
	none := fleet.Plan{}
	some := fleet.Plan{Differences: []fleet.Difference{{}}}

	require.NoError(t, planExit(none, false))
	require.NoError(t, planExit(none, true))
	require.NoError(t, planExit(some, false))
	require.Equal(t, exit(2), planExit(some, true))
}

func TestAPlanMakesNoSecretsFile(t *testing.T) {
	folder := toolStack(t)
	t.Setenv("CLOUD", "digitalocean")
	t.Setenv(tokenVariable, "")

	got := hornero(t, "plan", "--detailed-exitcode")
	require.Equal(t, 1, got.code)
	require.Equal(t, "hornero: "+errNoToken.Error()+"\n", got.stderr)
	require.NoFileExists(t, filepath.Join(folder, "secrets.age"))
	require.NoDirExists(t, filepath.Join(folder, "keys"))
}
