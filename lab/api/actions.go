package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) actionRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/actions":          s.listActions,
		"GET /v2/actions/{action}": s.getAction,
	}
}

// keptActions is how many actions the lab remembers.
const keptActions = 2000

type actionShape struct {
	ID           int     `json:"id"`
	Status       string  `json:"status"`
	Type         string  `json:"type"`
	StartedAt    string  `json:"started_at"`
	CompletedAt  *string `json:"completed_at"`
	ResourceID   int     `json:"resource_id"`
	ResourceType string  `json:"resource_type"`
	Region       region  `json:"region"`
	RegionSlug   string  `json:"region_slug"`
}

func (s *Server) showAction(action state.Action) actionShape {
	shown := actionShape{
		ID:           action.ID,
		Status:       action.Status,
		Type:         action.Type,
		StartedAt:    showTime(action.Started),
		ResourceID:   action.ResourceID,
		ResourceType: action.ResourceType,
		RegionSlug:   action.Region,
	}

	shown.Region, _ = findRegion(action.Region)

	// completed_at is null while the action runs: Terraform takes a time for its end
	if !action.Completed.IsZero() {
		completed := showTime(action.Completed)
		shown.CompletedAt = &completed
	}

	return shown
}

func showTime(t time.Time) string {
	return t.UTC().Format(time.RFC3339)
}

// actionsOf lists actions newest first.
func (s *Server) actionsOf(wanted func(state.Action) bool) []actionShape {
	shown := []actionShape{}

	// DigitalOcean lists actions newest first
	for _, action := range slices.Backward(s.Store.View().Actions) {
		if wanted(action) {
			shown = append(shown, s.showAction(action))
		}
	}

	return shown
}

func (s *Server) listActions(r *http.Request) (*reply, error) {
	return list(r, "actions", s.actionsOf(func(state.Action) bool { return true })), nil
}

func (s *Server) getAction(r *http.Request) (*reply, error) {
	id, err := number(r, "action")
	if err != nil {
		return nil, err
	}

	action := s.Store.View().Action(id)
	if action == nil {
		return nil, notFound()
	}

	return one(http.StatusOK, "action", s.showAction(*action)), nil
}

// resourceActions lists the actions of the Droplet or image in the path.
func (s *Server) resourceActions(r *http.Request, kind string) (*reply, error) {
	id, err := s.resourceID(r, kind)
	if err != nil {
		return nil, err
	}

	actions := s.actionsOf(func(a state.Action) bool {
		return a.ResourceType == kind && a.ResourceID == id
	})

	return list(r, "actions", actions), nil
}

func (s *Server) resourceAction(r *http.Request, kind string) (*reply, error) {
	id, err := s.resourceID(r, kind)
	if err != nil {
		return nil, err
	}

	actionID, err := number(r, "action")
	if err != nil {
		return nil, err
	}

	action := s.Store.View().Action(actionID)
	if action == nil || action.ResourceType != kind || action.ResourceID != id {
		return nil, notFound()
	}

	return one(http.StatusOK, "action", s.showAction(*action)), nil
}

// resourceID is the number of the Droplet or image in the path.
func (s *Server) resourceID(r *http.Request, kind string) (int, error) {
	id, err := number(r, kind)
	if err != nil {
		return 0, err
	}

	d := s.Store.View()
	noDroplet := kind == "droplet" && d.Droplet(id) == nil
	noImage := kind == "image" && d.Image(id) == nil

	if noDroplet || noImage {
		return 0, notFound()
	}

	return id, nil
}
