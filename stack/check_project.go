package stack

// maxProjectName is the longest name of a project that DigitalOcean takes (its API's description, project).
const maxProjectName = 175

// project checks the name of the project. Whether the account has it is for the cloud to say.
func (c *check) project(s *Stack) {
	if c.doc.Has("project") && (s.Project == "" || len(s.Project) > maxProjectName) {
		c.add("project", "must be the name of a project of the account, of 1 to %d characters, as in project: Shop; "+
			"remove it, and nothing is moved", maxProjectName)
	}
}
