package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// projects answers for projects and what they hold. It needs the state and the time, and nothing else of the lab.
type projects struct {
	store *state.Store
	now   func() time.Time
}

func (p *projects) routes() map[string]handler {
	return map[string]handler{
		"GET /v2/projects":                      p.listProjects,
		"POST /v2/projects":                     p.createProject,
		"GET /v2/projects/{project}":            p.getProject,
		"PUT /v2/projects/{project}":            p.replaceProject,
		"PATCH /v2/projects/{project}":          p.patchProject,
		"DELETE /v2/projects/{project}":         p.deleteProject,
		"GET /v2/projects/{project}/resources":  p.listProjectResources,
		"POST /v2/projects/{project}/resources": p.assignResources,
	}
}

const (
	maxProjectName        = 175
	maxProjectDescription = 255
	ownerUUID             = "5b1ab000-0000-4000-8000-000000000001"
)

type projectShape struct {
	ID          string `json:"id"`
	OwnerUUID   string `json:"owner_uuid"`
	OwnerID     int    `json:"owner_id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Purpose     string `json:"purpose"`
	Environment string `json:"environment"`
	IsDefault   bool   `json:"is_default"`
	CreatedAt   string `json:"created_at"`
	UpdatedAt   string `json:"updated_at"`
}

func showProject(p state.Project) projectShape {
	return projectShape{
		ID:          p.ID,
		OwnerUUID:   ownerUUID,
		OwnerID:     1,
		Name:        p.Name,
		Description: p.Description,
		Purpose:     p.Purpose,
		Environment: p.Environment,
		IsDefault:   p.Default,
		CreatedAt:   showTime(p.Created),
		UpdatedAt:   showTime(p.Updated),
	}
}

// ensureDefaultProject gives a state the project that every account has from the start.
func ensureDefaultProject(d *state.Document, now time.Time) {
	if slices.ContainsFunc(d.Projects, func(p state.Project) bool { return p.Default }) {
		return
	}

	d.Projects = append(d.Projects, state.Project{
		ID:          newUUID(),
		Name:        "first-project",
		Purpose:     "Just trying out DigitalOcean",
		Environment: "Development",
		Default:     true,
		Created:     now,
		Updated:     now,
	})
}

func (p *projects) listProjects(r *http.Request) (*reply, error) {
	shown := []projectShape{}
	for _, project := range p.store.View().Projects {
		shown = append(shown, showProject(project))
	}

	return list(r, "projects", shown), nil
}

// projectIn finds the project in the path, by its id or as the default one.
func projectIn(r *http.Request, d *state.Document) (*state.Project, error) {
	id := r.PathValue("project")
	for i := range d.Projects {
		// clients name the default project by its id or by the word
		if d.Projects[i].ID == id || id == "default" && d.Projects[i].Default {
			return &d.Projects[i], nil
		}
	}

	return nil, notFound()
}

func (p *projects) getProject(r *http.Request) (*reply, error) {
	project, err := projectIn(r, p.store.View())
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "project", showProject(*project)), nil
}

// projectRequest is a project as it is sent. In a PATCH what is null stays as it is.
type projectRequest struct {
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Purpose     *string `json:"purpose"`
	Environment *string `json:"environment"`
	IsDefault   *bool   `json:"is_default"`
}

// apply changes a project to what the request says, and checks the result.
func (b *projectRequest) apply(d *state.Document, p *state.Project) error {
	// godo sends null for fields that are not to change
	setGiven(&p.Name, b.Name)
	setGiven(&p.Description, b.Description)
	setGiven(&p.Purpose, b.Purpose)

	if b.Environment != nil {
		p.Environment = capitalized(*b.Environment)
	}

	if p.Environment == "" {
		p.Environment = "Development"
	}

	if err := checkProject(d, p); err != nil {
		return err
	}

	// there is one default project: the new one takes the place of the old
	if b.IsDefault != nil && *b.IsDefault && !p.Default {
		for i := range d.Projects {
			d.Projects[i].Default = false
		}

		p.Default = true
	}

	return nil
}

func setGiven(target, value *string) {
	if value != nil {
		*target = *value
	}
}

func checkProject(d *state.Document, p *state.Project) error {
	switch {
	case p.Name == "" || len(p.Name) > maxProjectName:
		return invalid("name must be between 1 and %d characters", maxProjectName)
	case len(p.Description) > maxProjectDescription:
		return invalid("description must be at most %d characters", maxProjectDescription)
	case p.Purpose == "":
		return invalid("purpose can't be blank")
	case !slices.Contains([]string{"Development", "Staging", "Production"}, p.Environment):
		return invalid("environment must be one of Development, Staging, Production")
	}

	taken := slices.ContainsFunc(d.Projects, func(x state.Project) bool {
		return x.ID != p.ID && x.Name == p.Name
	})
	if taken {
		return failure(http.StatusConflict, "name is already in use")
	}

	return nil
}

// capitalized is a word with a capital first: clients send both spellings of an environment.
func capitalized(word string) string {
	if word == "" {
		return ""
	}

	return strings.ToUpper(word[:1]) + strings.ToLower(word[1:])
}

func (p *projects) createProject(r *http.Request) (*reply, error) {
	var body projectRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	now := p.now()
	project := state.Project{
		ID:      newUUID(),
		Created: now,
		Updated: now,
	}

	err := p.store.Update(func(d *state.Document) error {
		if err := body.apply(d, &project); err != nil {
			return err
		}

		d.Projects = append(d.Projects, project)

		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusCreated, "project", showProject(project)), nil
}

func (p *projects) patchProject(r *http.Request) (*reply, error) {
	return p.changeProject(r, false)
}

func (p *projects) replaceProject(r *http.Request) (*reply, error) {
	return p.changeProject(r, true)
}

// complete tells whether no field is left out, as replacing a project needs it.
func (b *projectRequest) complete() bool {
	return b.Name != nil &&
		b.Description != nil &&
		b.Purpose != nil &&
		b.Environment != nil &&
		b.IsDefault != nil
}

func (p *projects) changeProject(r *http.Request, whole bool) (*reply, error) {
	var body projectRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	// a PUT replaces the whole, so that nothing may be missing
	if whole && !body.complete() {
		return nil, invalid("name, description, purpose, environment and is_default are all needed")
	}

	var shown projectShape
	err := p.store.Update(func(d *state.Document) error {
		project, err := projectIn(r, d)
		if err != nil {
			return err
		}

		if err := body.apply(d, project); err != nil {
			return err
		}

		project.Updated = p.now()
		shown = showProject(*project)

		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "project", shown), nil
}

func (p *projects) deleteProject(r *http.Request) (*reply, error) {
	return noContent(), p.store.Update(func(d *state.Document) error {
		project, err := projectIn(r, d)
		if err != nil {
			return err
		}

		if project.Default || len(resourcesOf(d, *project)) > 0 {
			// Terraform tries again as long as it reads these words
			return failure(http.StatusPreconditionFailed, "cannot delete a project with resources, nor the default one")
		}

		id := project.ID
		d.Projects = slices.DeleteFunc(d.Projects, func(x state.Project) bool {
			return x.ID == id
		})

		return nil
	})
}
