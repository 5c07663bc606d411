package state

import (
	"time"
)

// Project is a named group of resources.
type Project struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Purpose     string       `json:"purpose"`
	Environment string       `json:"environment"`
	Default     bool         `json:"default"`
	Created     time.Time    `json:"created"`
	Updated     time.Time    `json:"updated"`
	Resources   []Assignment `json:"resources"`
}

// Assignment is a resource in a project.
type Assignment struct {
	URN string    `json:"urn"`
	At  time.Time `json:"at"`
}

// Project finds a project; nil when there is none.
func (d *Document) Project(id string) *Project {
	return find(d.Projects, func(x *Project) bool { return x.ID == id })
}
