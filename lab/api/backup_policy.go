package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hornero/hornero/lab/state"
)

// backupPlan is a plan of backups that DigitalOcean has (its API's description, supported_droplet_backup_policy).
type backupPlan struct {
	Name         string   `json:"name"`
	WindowStarts []int    `json:"possible_window_starts"`
	WindowLength int      `json:"window_length_hours"`
	Retention    int      `json:"retention_period_days"`
	Days         []string `json:"possible_days"`
}

const (
	planDaily  = "daily"
	planWeekly = "weekly"
)

func backupPlans() []backupPlan {
	starts := []int{0, 4, 8, 12, 16, 20}

	return []backupPlan{
		{
			Name:         planWeekly,
			WindowStarts: starts,
			WindowLength: 4,
			Retention:    28,
			Days:         []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"},
		},
		{
			Name:         planDaily,
			WindowStarts: starts,
			WindowLength: 4,
			Retention:    7,
			Days:         []string{},
		},
	}
}

func planNamed(name string) (backupPlan, bool) {
	plans := backupPlans()
	i := slices.IndexFunc(plans, func(plan backupPlan) bool { return plan.Name == name })
	if i < 0 {
		return backupPlan{}, false
	}

	return plans[i], true
}

// policyRequest is when backups are to be taken, as it is sent.
type policyRequest struct {
	Plan    string `json:"plan"`
	Weekday string `json:"weekday"`
	Hour    int    `json:"hour"`
}

// check finds what is wrong with a policy. None at all is right.
func (p *policyRequest) check() error {
	if p == nil {
		return nil
	}

	plan, known := planNamed(p.Plan)

	switch {
	case !known:
		return invalid("backup_policy: plan must be one of weekly, daily")
	case !slices.Contains(plan.WindowStarts, p.Hour):
		return invalid("backup_policy: hour must be one of 0, 4, 8, 12, 16, 20")
	case p.Plan == planWeekly && !slices.Contains(plan.Days, p.Weekday):
		return invalid("backup_policy: weekday must be one of %s", strings.Join(plan.Days, ", "))
	}

	return nil
}

// policy is what holds: each day where nothing was said.
func (p *policyRequest) policy() state.BackupPolicy {
	if p == nil {
		return state.BackupPolicy{Plan: planDaily}
	}

	made := state.BackupPolicy{
		Plan: p.Plan,
		Hour: p.Hour,
	}

	if p.Plan == planWeekly {
		made.Weekday = p.Weekday
	}

	return made
}

// argument is a policy as an action keeps it.
func (p *policyRequest) argument() string {
	made := p.policy()

	return fmt.Sprintf("%s,%s,%d", made.Plan, made.Weekday, made.Hour)
}

// policyOf reads what argument wrote.
func policyOf(argument string) state.BackupPolicy {
	plan, rest, _ := strings.Cut(argument, ",")
	weekday, text, _ := strings.Cut(rest, ",")
	hour, _ := strconv.Atoi(text)

	return state.BackupPolicy{
		Plan:    plan,
		Weekday: weekday,
		Hour:    hour,
	}
}

type policyShape struct {
	DropletID     int           `json:"droplet_id"`
	BackupEnabled bool          `json:"backup_enabled"`
	BackupPolicy  *configShape  `json:"backup_policy,omitempty"`
	NextWindow    *windowsShape `json:"next_backup_window"`
}

type configShape struct {
	Plan         string `json:"plan"`
	Weekday      string `json:"weekday,omitempty"`
	Hour         int    `json:"hour"`
	WindowLength int    `json:"window_length_hours"`
	Retention    int    `json:"retention_period_days"`
}

// windowsShape is never shown: the lab takes no backups.
type windowsShape struct{}

func (s *Server) getBackupPolicy(r *http.Request) (*reply, error) {
	droplet, err := s.dropletIn(r)
	if err != nil {
		return nil, err
	}

	shown := policyShape{
		DropletID:     droplet.ID,
		BackupEnabled: hasBackups(*droplet),
	}

	if shown.BackupEnabled {
		is := droplet.BackupPolicy
		plan, _ := planNamed(is.Plan)

		shown.BackupPolicy = &configShape{
			Plan:         is.Plan,
			Weekday:      is.Weekday,
			Hour:         is.Hour,
			WindowLength: plan.WindowLength,
			Retention:    plan.Retention,
		}
	}

	return one(http.StatusOK, "policy", shown), nil
}

func hasBackups(droplet state.Droplet) bool { return slices.Contains(droplet.Features, "backups") }

func (s *Server) listBackupPlans(*http.Request) (*reply, error) {
	return one(http.StatusOK, "supported_policies", backupPlans()), nil
}
