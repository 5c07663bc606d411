package api_test

import (
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestBackupsHaveAPolicy(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	hour := 8

	asked := request("web")
	asked.Backups = true
	asked.BackupPolicy = &godo.DropletBackupPolicyRequest{
		Plan:    "weekly",
		Weekday: "SUN",
		Hour:    &hour,
	}
	id := w.create(asked).ID

	policy := func() godo.DropletBackupPolicy {
		is, _, err := w.Droplets.GetBackupPolicy(ctx, id)
		require.NoError(t, err)

		return *is
	}

	free := func() bool {
		droplet, _, err := w.Droplets.Get(ctx, id)
		require.NoError(t, err)

		return !droplet.Locked
	}

	require.True(t, policy().BackupEnabled)
	require.Equal(t, godo.DropletBackupPolicyConfig{
		Plan:                "weekly",
		Weekday:             "SUN",
		Hour:                8,
		WindowLengthHours:   4,
		RetentionPeriodDays: 28,
	}, *policy().BackupPolicy)

	// As somebody changes it by hand.
	_, _, err := w.DropletActions.ChangeBackupPolicy(ctx, id, &godo.DropletBackupPolicyRequest{Plan: "daily"})
	require.NoError(t, err)
	w.eventually("it is daily", func() bool { return policy().BackupPolicy.Plan == "daily" })
	w.eventually("it is free", free)

	_, _, err = w.DropletActions.DisableBackups(ctx, id)
	require.NoError(t, err)
	w.eventually("it has none", func() bool { return !policy().BackupEnabled })
	require.Nil(t, policy().BackupPolicy)
	w.eventually("it is free", free)

	// Without a word they are taken each day.
	_, _, err = w.DropletActions.EnableBackups(ctx, id)
	require.NoError(t, err)
	w.eventually("it has some", func() bool { return policy().BackupEnabled })
	require.Equal(t, "daily", policy().BackupPolicy.Plan)

	plans, _, err := w.Droplets.ListSupportedBackupPolicies(ctx)
	require.NoError(t, err)
	require.Len(t, plans, 2)
}

func TestAPolicyThatIsNone(t *testing.T) {
	w := newWorld(t)
	hour := 5

	for want, policy := range map[string]*godo.DropletBackupPolicyRequest{
		"plan must be one of":    {Plan: "hourly"},
		"hour must be one of":    {Plan: "daily", Hour: &hour},
		"weekday must be one of": {Plan: "weekly", Weekday: "sunday"},
	} {
		asked := request("web")
		asked.Backups = true
		asked.BackupPolicy = policy

		_, _, err := w.Droplets.Create(t.Context(), asked)
		refused(t, err, 422, want)
	}

	id := w.create(request("web")).ID
	_, _, err := w.DropletActions.ChangeBackupPolicy(t.Context(), id, &godo.DropletBackupPolicyRequest{Plan: "daily"})
	refused(t, err, 422, "Backups are not enabled")
}
