package roles

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/report"
)

var (
	folderName   = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$`)
	limitName    = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	secretName   = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)
	settingName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)
	databaseName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	grantList    = regexp.MustCompile(`^[A-Z]+( [A-Z]+)*(, [A-Z]+( [A-Z]+)*)*$`)
	commandName  = regexp.MustCompile(`^[a-z][a-z0-9-]*( [a-z][a-z0-9-]*)?$`)
	brakePath    = regexp.MustCompile(`^/[A-Za-z0-9._-]{1,64}$`)
	cookieName   = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	drivers      = []string{"", DriverArbitrator, DriverGalera, DriverHAProxy}
)

// IsName tells whether a role, and so its folder, may be called so.
func IsName(name string) bool { return folderName.MatchString(name) }

// check looks at what the manifest itself says, without what it includes.
func (m *Manifest) check(doc *report.Document, folder string) {
	if m.Version != 1 {
		doc.Add("version", "must be 1, got %d", m.Version)
	}

	switch {
	case m.Name != folder:
		doc.Add("name", "must be the folder's name, %q, got %q", folder, m.Name)
	case !IsName(m.Name):
		doc.Add("name", "must be at most 32 lower-case letters, digits and hyphens, got %q", m.Name)
	}

	if !slices.Contains(drivers, m.Driver) {
		doc.Add("driver", "must be arbitrator, galera, haproxy or left out, got %q", m.Driver)
	}

	m.checkSecrets(doc)
	m.checkSettings(doc)
	m.checkLimits(doc)
	m.checkVaries(doc)
	m.checkFiles(doc)
	m.checkProgramFiles(doc)
	m.checkPorts(doc)
	m.checkEgress(doc)
	m.checkCertificates(doc)
	m.checkLeases(doc)
	m.checkServes(doc)
	m.checkDatabases(doc)
	m.checkTasks(doc)
	m.checkCommands(doc)
	m.checkGuards(doc)
	m.checkCode(doc)
}

func (m *Manifest) checkSecrets(doc *report.Document) {
	for _, name := range slices.Sorted(maps.Keys(m.Secrets)) {
		at := "secrets." + name
		rule := m.Secrets[name]

		if !secretName.MatchString(name) {
			doc.Add("secrets", "a secret's name must look like part.name, got %q", name)
		}
		if rule.Make != "" && rule.Make != MakeRandom && rule.Make != MakeGiven {
			doc.Add(at+".make", "must be %s or %s, got %q", MakeRandom, MakeGiven, rule.Make)
		}
		if rule.Length != 0 && (rule.Length < minSecretLength || rule.Length > maxSecretLength) {
			doc.Add(at+".length", "must be from %d to %d, got %d", minSecretLength, maxSecretLength, rule.Length)
		}
		if rule.When != "" && !settingName.MatchString(rule.When) {
			doc.Add(at+".when", "must be a setting's name, got %q", rule.When)
		}
	}

	if m.ReservedIP == nil {
		return
	}

	for i, name := range m.ReservedIP.Secrets {
		if !secretName.MatchString(name) {
			doc.Add(fmt.Sprintf("reserved_ip.secrets[%d]", i), "must look like part.name, got %q", name)
		}
	}
}

// ownSettings are those that every node has, whatever its role.
var ownSettings = []string{SettingDrift, SettingDriftEvery, SettingSites, SettingRenewal, SettingClients}

func (m *Manifest) checkSettings(doc *report.Document) {
	for _, name := range slices.Sorted(maps.Keys(m.Settings)) {
		at := "settings." + name
		setting := m.Settings[name]

		if !settingName.MatchString(name) {
			doc.Add(at, "a setting's name must be lower-case letters, digits and _, got %q", name)
		}
		if slices.Contains(ownSettings, name) {
			doc.Add(at, "every node has a setting of this name; call it otherwise")
		}

		if !slices.Contains(SettingTypes(), setting.Type) {
			doc.Add(at+".type", "must be one of %s, got %q", strings.Join(SettingTypes(), ", "), setting.Type)
			continue
		}

		if _, err := regexp.Compile(setting.Match); err != nil {
			doc.Add(at+".match", "must be a regular expression: %v", err)
			continue
		}

		setting.checkBounds(doc, at)
	}
}

func (s Setting) checkBounds(doc *report.Document, at string) {
	s.checkBound(doc, at+".min", s.Min)
	s.checkBound(doc, at+".max", s.Max)

	switch {
	case s.Type != TypeText && len(s.OneOf) > 0:
		doc.Add(at+".type", "must be text where one_of stands, got %q", s.Type)
	case s.Type != TypeText && s.Type != TypeList && s.Match != "":
		doc.Add(at+".type", "must be text or list where match stands, got %q", s.Type)
	}

	if s.Min != nil && s.Max != nil && s.measure(s.Min.Scalar) > s.measure(s.Max.Scalar) {
		doc.Add(at+".min", "is more than max, %s", s.Max.Scalar)
	}

	switch {
	case s.Default == nil && s.Required:
	case s.Default == nil:
		s.checkFallback(doc, at)
	case s.Required:
		doc.Add(at+".default", "cannot stand beside required; keep one")
	default:
		if _, err := s.Parse(*s.Default); err != nil {
			doc.Add(at+".default", "%v", err)
		}
	}
}

func (s Setting) checkBound(doc *report.Document, at string, bound *Value) {
	if bound == nil {
		return
	}

	if !slices.Contains(countedTypes(), s.Type) {
		doc.Add(at, "stands with a number, a duration or a size only")
		return
	}

	free := Setting{Type: s.Type}
	if _, err := free.Parse(*bound); err != nil {
		doc.Add(at, "%v", err)
	}
}

// checkFallback looks at what the setting is where nobody says anything.
func (s Setting) checkFallback(doc *report.Document, at string) {
	fallback := s.Fallback()

	switch {
	case len(s.OneOf) > 0:
		doc.Add(at+".default", "is missing; write one of one_of, or required: true")
	case s.checkLimits(fallback) != nil:
		doc.Add(at+".default", "is missing: without one it would be %s, which the limits refuse", fallback)
	}
}

// checkLeases holds names in the peer set to a form that no ROLE.NAME has.
func (m *Manifest) checkLeases(doc *report.Document) {
	seen := map[string]string{}

	for _, name := range slices.Sorted(maps.Keys(m.Leases)) {
		at, lease := "leases."+name, m.Leases[name]

		switch {
		case !limitName.MatchString(lease):
			doc.Add(at, "must be lower-case words and hyphens, got %q", lease)
		case seen[lease] != "":
			doc.Add(at, "%s has the name %q already", seen[lease], lease)
		}

		seen[lease] = name
	}
}

func checkPort(doc *report.Document, at string, port int) {
	if port < 1 || port > 65535 {
		doc.Add(at, "must be from 1 to 65535, got %d", port)
	}
}

func (m *Manifest) checkDatabases(doc *report.Document) {
	for i, database := range m.Databases {
		at := fmt.Sprintf("databases[%d]", i)

		if !databaseName.MatchString(database.Name) {
			doc.Add(at+".name", "must be lower-case letters, digits and _, got %q", database.Name)
		}
		if database.User != "" && !databaseName.MatchString(database.User) {
			doc.Add(at+".user", "must be lower-case letters, digits and _, got %q", database.User)
		}
		if database.Grants != "" && !grantList.MatchString(database.Grants) {
			doc.Add(at+".grants", "must be privileges, as in SELECT, INSERT, got %q", database.Grants)
		}
	}
}

func (m *Manifest) checkTasks(doc *report.Document) {
	for i, task := range m.Tasks {
		at := fmt.Sprintf("tasks[%d]", i)

		if !limitName.MatchString(task.Name) {
			doc.Add(at+".name", "must be lower-case words and hyphens, got %q", task.Name)
		}
		if len(task.Run) == 0 {
			doc.Add(at+".run", "is missing; write the program and its words, as in run: [/usr/bin/true]")
		}
	}
}

func (m *Manifest) checkCommands(doc *report.Document) {
	for i, command := range m.Commands {
		at := fmt.Sprintf("commands[%d]", i)

		if !commandName.MatchString(command.Name) {
			doc.Add(at+".name", "must be one or two lower-case words, got %q", command.Name)
		}
		if command.Help == "" {
			doc.Add(at+".help", "is missing; write a line of what it does")
		}
		if len(command.Run) == 0 {
			doc.Add(at+".run", "is missing; write the program and its words, as in run: [mariadb]")
		}
		if command.On != "" && command.On != OnOne && command.On != OnAll {
			doc.Add(at+".on", "must be %s or %s, got %q", OnOne, OnAll, command.On)
		}
		if command.On != "" && command.Lease != "" {
			doc.Add(at+".lease", "cannot stand beside on; keep one")
		}
		if !slices.Contains([]string{"", InputNone, InputStdin, InputTerminal}, command.Input) {
			doc.Add(at+".input", "must be %s, %s or %s, got %q", InputNone, InputStdin, InputTerminal, command.Input)
		}
	}
}

func (m *Manifest) checkLimits(doc *report.Document) {
	for _, release := range slices.Sorted(maps.Keys(m.Limits)) {
		for i, limit := range m.Limits[release] {
			if !limitName.MatchString(limit) {
				at := fmt.Sprintf("limits.%s[%d]", release, i)
				doc.Add(at, "must be lower-case words and hyphens, got %q", limit)
			}
		}
	}
}

func (m *Manifest) checkVaries(doc *report.Document) {
	for _, name := range slices.Sorted(maps.Keys(m.Bake.Varies)) {
		why := m.Bake.Varies[name]
		if !path.IsAbs(name) || why == "" {
			doc.Add("bake.varies", "must name absolute paths, and why each varies, got %q: %q", name, why)
		}
	}
}

func (m *Manifest) checkFiles(doc *report.Document) {
	for i, file := range m.Files {
		at := fmt.Sprintf("files[%d]", i)
		m.checkFile(doc, at, file.Source, file.Path, file.Mode)
		checkReleases(doc, at, file.Only, file.Except)
	}

	for i, template := range m.Templates {
		at := fmt.Sprintf("templates[%d]", i)
		m.checkFile(doc, at, template.Source, template.Path, template.Mode)
		checkReleases(doc, at, template.Only, template.Except)
		template.checkEach(doc, at)
	}
}

func (m *Manifest) checkSource(doc *report.Document, at, source string) {
	info, err := fs.Stat(m.holder(source).FS, source)

	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		// As for a link that leads out of the folder.
		doc.Add(at, "cannot be read: %v", err)
	case err != nil || info.IsDir():
		doc.Add(at, "no file %q in the role's folder, nor in one that it includes", source)
	}
}

func checkReleases(doc *report.Document, at string, only, except []string) {
	if len(only) > 0 && len(except) > 0 {
		doc.Add(at+".except", "cannot stand beside only; keep one")
	}
}

func (m *Manifest) checkFile(doc *report.Document, at, source, target, mode string) {
	if !fs.ValidPath(source) || source == "." {
		doc.Add(at+".source", "must be a path inside of the role's folder, got %q", source)
	} else {
		m.checkSource(doc, at+".source", source)
	}

	// Files are compared by path: one path must have one spelling.
	if !path.IsAbs(target) || path.Clean(target) != target {
		doc.Add(at+".path", "must be a clean absolute path, got %q", target)
	}

	if _, err := ParseMode(mode, 0); err != nil {
		doc.Add(at+".mode", "must be octal, as in \"0644\", got %q", mode)
	}
}

// checkWhole looks at the manifest with all that it includes. A piece is judged where it is included only: it may ask
// for what the role declares.
func (m *Manifest) checkWhole(doc *report.Document, own *Manifest) error {
	if m.Abstract {
		return nil
	}

	if m.Peers != Member && m.Peers != Client && m.Peers != Auto {
		doc.Add("peers", "must be %q, %q or %q, got %q", Member, Client, Auto, m.Peers)
	}

	for i, port := range m.Ports {
		// The port would be open to anybody at an address that the role never has.
		if slices.Contains(port.From, FromReservedIP) && m.ReservedIP == nil {
			doc.Add(
				standing("ports", i, len(m.Ports), len(own.Ports), ".from"),
				"the role cannot hold the reserved IP; say so with reserved_ip: {}",
			)
		}
	}

	m.checkEgressSettings(doc, own)
	m.checkNeeds(doc, own)
	m.checkSpaces(doc, own)

	templates, err := m.checkTexts(doc, own)
	if err != nil {
		return err
	}

	// Those of templates and of more.yaml stand in other files.
	inManifest, _ := report.Of(doc.Problems())
	inManifest = append(inManifest, m.checkMore()...)

	return append(inManifest, templates...).Err()
}

// standing is where a key of an item of a merged list stands: the manifest's own are the last of it. For those of its
// pieces it is where they are included.
func standing(list string, at, all, own int, key string) string {
	if at -= all - own; at >= 0 {
		return fmt.Sprintf("%s[%d]%s", list, at, key)
	}

	return "includes"
}

// checkNeeds looks for what one part of the manifest needs of another.
func (m *Manifest) checkNeeds(doc *report.Document, own *Manifest) {
	for i, database := range m.Databases {
		at := func(key string) string {
			return standing("databases", i, len(m.Databases), len(own.Databases), key)
		}

		if _, declared := m.Secrets[database.Secret]; !declared {
			doc.Add(at(".secret"), "must be one of the role's secrets, got %q", database.Secret)
		}
		if m.Watches[DatabaseRole] == "" {
			doc.Add(at(""), "needs to know who keeps it: write watches: {%s: ROLE}", DatabaseRole)
		}
	}

	for _, name := range slices.Sorted(maps.Keys(m.Secrets)) {
		when := m.Secrets[name].When

		if _, declared := m.Settings[when]; when != "" && !declared {
			doc.Add("secrets."+name+".when", "must be one of the role's settings, got %q", when)
		}

		m.checkWatched(doc, "secrets."+name+".with", m.Secrets[name].With)
	}

	for _, name := range slices.Sorted(maps.Keys(m.Settings)) {
		setting, at := m.Settings[name], "settings."+name
		m.checkWatched(doc, at+".needs", setting.Needs)

		for _, value := range slices.Sorted(maps.Keys(setting.ValueNeeds)) {
			m.checkWatched(doc, at+".value_needs."+value, setting.ValueNeeds[value])

			if value == setting.Fallback() || len(setting.OneOf) > 0 && !slices.Contains(setting.OneOf, value) {
				doc.AddKey(at+".value_needs."+value, "must be a value that is not the default, got %q", value)
			}
		}
	}
}

// checkWatched looks at a word of the watches; "" is one that is left out.
func (m *Manifest) checkWatched(doc *report.Document, at, word string) {
	if word != "" && m.Watches[word] == "" {
		doc.Add(at, "must be a word of watches, got %q", word)
	}
}
