package stack

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/report"
)

var (
	// ErrRecipients is a secrets file that is sealed to others than the list beside it names: writing it would let
	// somebody in, or shut somebody out, unseen.
	ErrRecipients = errors.New("the secrets file is sealed to others than its list of recipients names")
	// ErrNoRecipient is a name or key that is none of the recipients'.
	ErrNoRecipient = errors.New("no such recipient")
	// ErrRecipientTaken is a name or a key that another recipient has.
	ErrRecipientTaken = errors.New("there is such a recipient already")
)

// Recipient is one whose key opens the secrets file.
type Recipient struct {
	Name string // who has the key; "" where the list does not say
	Key  string // the public key, age1...
}

// RecipientState is a recipient, and where it stands.
type RecipientState struct {
	Recipient
	Listed bool // in the list beside the secrets file
	Sealed bool // the secrets file is sealed to it
	Own    bool // it is this computer's key
}

// sealedPrefix begins the lines within the sealed text that say to whom it is sealed. To YAML they are comments, which
// earlier versions pass over.
const sealedPrefix = "# sealed to "

var recipientName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9@._-]{0,63}$`)

// RecipientsPath is where the list of recipients of a secrets file is: beside it, for everybody to read and review.
// It is a recipients file of age (`age -R`), with a name in the comment before each key.
func RecipientsPath(secrets string) string {
	return strings.TrimSuffix(secrets, ".age") + ".recipients"
}

// sealedNote says within the sealed text to whom it is sealed.
func sealedNote(to []Recipient) []byte {
	var note strings.Builder
	for _, one := range to {
		note.WriteString(strings.TrimSpace(sealedPrefix+one.Key+" "+one.Name) + "\n")
	}

	return []byte(note.String())
}

// sealedTo reads the note. A text without one was written by a version that sealed to the writer's own key alone.
func sealedTo(text []byte, own *age.X25519Identity) []Recipient {
	var all []Recipient

	for line := range strings.Lines(string(text)) {
		rest, noted := strings.CutPrefix(line, sealedPrefix)
		if !noted {
			break
		}

		key, name, _ := strings.Cut(strings.TrimSpace(rest), " ")
		all = append(all, Recipient{
			Name: name,
			Key:  key,
		})
	}

	if len(all) == 0 {
		return []Recipient{{Key: own.Recipient().String()}}
	}

	return all
}

// recipients are those whom the file is to be sealed to when its values change.
func (s *Secrets) recipients(own []*age.X25519Identity) ([]Recipient, error) {
	path := RecipientsPath(s.path)

	listed, there, err := readRecipients(path)
	if err != nil {
		return nil, err
	}

	switch {
	case !there && len(s.sealed) == 0:
		return []Recipient{{Key: own[0].Recipient().String()}}, nil
	case !there && len(s.sealed) == 1:
		return s.sealed, nil
	}

	// A new secrets file beside a list: everybody of the list is meant.
	if len(s.sealed) == 0 {
		if !holdsOwn(listed, own) {
			return nil, fmt.Errorf("%w: %s does not name this computer's key; add its two lines: # NAME, %s",
				ErrRecipients, path, own[0].Recipient())
		}

		return listed, nil
	}

	if err := compareRecipients(path, listed, s.sealed); err != nil {
		return nil, err
	}

	return listed, nil
}

func holdsOwn(all []Recipient, own []*age.X25519Identity) bool {
	return slices.ContainsFunc(own, func(identity *age.X25519Identity) bool {
		return findRecipient(all, identity.Recipient().String()) >= 0
	})
}

// compareRecipients refuses a list that names others than the file is sealed to, with the command for each.
func compareRecipients(path string, listed, sealed []Recipient) error {
	var todo []string

	for _, one := range listed {
		if findRecipient(sealed, one.Key) < 0 {
			todo = append(todo, fmt.Sprintf(
				"%s lists %s, who cannot open the secrets: `hornero secrets recipients add %s %s` lets them, "+
					"`hornero secrets recipients remove %[4]s` takes the line away",
				path, orKey(one), cmpName(one), one.Key,
			))
		}
	}

	for _, one := range sealed {
		if findRecipient(listed, one.Key) < 0 {
			todo = append(todo, fmt.Sprintf(
				"%s, who can open the secrets, is not in %s: `hornero secrets recipients remove %s` shuts them out, "+
					"`hornero secrets recipients add %s %[3]s` puts the line back",
				orKey(one), path, one.Key, cmpName(one),
			))
		}
	}

	if len(todo) == 0 {
		return nil
	}

	return fmt.Errorf("%w; nothing is written:\n%s", ErrRecipients, strings.Join(todo, "\n"))
}

func orKey(one Recipient) string {
	if one.Name != "" {
		return one.Name
	}

	return one.Key
}

func cmpName(one Recipient) string {
	if one.Name != "" {
		return one.Name
	}

	return "NAME"
}

// findRecipient finds a recipient by name or key; -1: there is none.
func findRecipient(all []Recipient, nameOrKey string) int {
	return slices.IndexFunc(all, func(one Recipient) bool {
		return one.Key == nameOrKey || one.Name == nameOrKey
	})
}

// readRecipients reads a list of recipients, and whether there is one.
func readRecipients(path string) (all []Recipient, there bool, err error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read recipients: %w", err)
	}

	var problems report.Problems

	name := ""
	number := 0

	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)

		if comment, is := strings.CutPrefix(line, "#"); is || line == "" {
			name = strings.TrimSpace(comment)
			continue
		}

		// What stands there is not repeated: it may be somebody's private key.
		if _, err := age.ParseX25519Recipient(line); err != nil {
			problems = append(problems, report.Problem{
				File:    path,
				Line:    number,
				Message: "no public key of age; write one as in age1..., or put # before a remark",
			})
		}

		all = append(all, Recipient{
			Name: name,
			Key:  line,
		})
		name = ""
	}

	return all, true, problems.Err()
}

// Recipients lists who is in the list and who can open the file, in the order of the list.
func (s *Secrets) Recipients() ([]RecipientState, error) {
	listed, _, err := readRecipients(RecipientsPath(s.path))
	if err != nil {
		return nil, err
	}

	identities, err := s.key.identities()
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}

	var states []RecipientState

	for _, one := range slices.Concat(listed, s.sealed) {
		known := slices.ContainsFunc(states, func(state RecipientState) bool { return state.Key == one.Key })
		if known {
			continue
		}

		states = append(states, RecipientState{
			Recipient: one,
			Listed:    findRecipient(listed, one.Key) >= 0,
			Sealed:    findRecipient(s.sealed, one.Key) >= 0,
			Own:       holdsOwn([]Recipient{one}, identities),
		})
	}

	return states, nil
}

// AddRecipient lets one more key open the secrets file, and enters it in the list. It ends an addition that was cut
// off halfway, too, and lets in a key that is only in the list.
func (s *Secrets) AddRecipient(one Recipient) error {
	if _, err := age.ParseX25519Recipient(one.Key); err != nil {
		return fmt.Errorf("add recipient %s: its key is no public key of age (age1...); "+
			"`hornero secrets recipients key` prints one where it is run", one.Name)
	}

	if !recipientName.MatchString(one.Name) {
		return fmt.Errorf("add recipient %q: a name is letters, digits and @._-, 64 at most", one.Name)
	}

	return s.changeRecipients(func(listed, sealed []Recipient) ([]Recipient, []Recipient, error) {
		for _, all := range [][]Recipient{listed, sealed} {
			at := slices.IndexFunc(all, func(other Recipient) bool {
				return other.Name == one.Name && other.Key != one.Key
			})
			if at >= 0 {
				return nil, nil, fmt.Errorf("add recipient %s: %w, with another key: %s; remove it first, or take "+
					"another name", one.Name, ErrRecipientTaken, all[at].Key)
			}
		}

		return withRecipient(listed, one), withRecipient(sealed, one), nil
	})
}

// withRecipient has a recipient once, under the name that it has already.
func withRecipient(all []Recipient, one Recipient) []Recipient {
	if findRecipient(all, one.Key) >= 0 {
		return all
	}

	return append(slices.Clone(all), one)
}

// RemoveRecipient shuts a key out of the secrets file and takes it off the list. What its owner has read already he
// knows for ever.
func (s *Secrets) RemoveRecipient(nameOrKey string) error {
	identities, err := s.key.identities()
	if err != nil {
		return err
	}

	return s.changeRecipients(func(listed, sealed []Recipient) ([]Recipient, []Recipient, error) {
		all := slices.Concat(listed, sealed)

		at := findRecipient(all, nameOrKey)
		if at < 0 {
			return nil, nil, unknownRecipient(nameOrKey, all)
		}

		key := all[at].Key
		if holdsOwn([]Recipient{{Key: key}}, identities) && findRecipient(sealed, key) >= 0 {
			return nil, nil, fmt.Errorf("remove recipient %s: it is this computer's own key, and the secrets could "+
				"not be read here any more; let another recipient remove it", nameOrKey)
		}

		gone := func(other Recipient) bool { return other.Key == key }

		return slices.DeleteFunc(slices.Clone(listed), gone), slices.DeleteFunc(slices.Clone(sealed), gone), nil
	})
}

func unknownRecipient(nameOrKey string, all []Recipient) error {
	var names []string
	for _, one := range all {
		names = append(names, orKey(one))
	}

	if near := report.Nearest(nameOrKey, names); near != "" {
		return fmt.Errorf("%w: %q; did you mean %q?", ErrNoRecipient, nameOrKey, near)
	}

	return fmt.Errorf("%w: %q; `hornero secrets recipients list` names them", ErrNoRecipient, nameOrKey)
}

// changeRecipients changes the list, and then the file. Killed between the two, both say so at the next change, and
// the same command run again ends it.
func (s *Secrets) changeRecipients(
	change func(listed, sealed []Recipient) ([]Recipient, []Recipient, error),
) error {
	return s.locked(func() error {
		if len(s.sealed) == 0 {
			return fmt.Errorf("change recipients: there is no secrets file %s yet; `hornero up` makes it", s.path)
		}

		path := RecipientsPath(s.path)

		listed, there, err := readRecipients(path)
		if err != nil {
			return err
		}

		// The first list begins with those who can open the file today.
		if !there {
			s.sealed = named(s.sealed)
			listed = s.sealed
		}

		newListed, newSealed, err := change(listed, s.sealed)
		if err != nil {
			return err
		}

		if err := rewriteRecipients(path, newListed); err != nil {
			return err
		}

		if slices.Equal(newSealed, s.sealed) && there {
			return nil
		}

		return s.write(newSealed)
	})
}

// named gives a name to whoever has none: a stack's first recipient is who made it, which is most likely who is here.
func named(all []Recipient) []Recipient {
	all = slices.Clone(all)

	for i := range all {
		if all[i].Name == "" {
			all[i].Name = "operator"

			if here, err := user.Current(); err == nil && recipientName.MatchString(here.Username) {
				all[i].Name = here.Username
			}
		}
	}

	return all
}

// recipientsHead begins a new list.
const recipientsHead = `# Who can open the secrets file beside this list: a public key of age in each line, its owner's
# name above it. "hornero secrets recipients add | remove" changes both files. A line that is changed here alone lets
# nobody in.

`

// rewriteRecipients brings a list about: lines of those who are gone are taken away with their names, new ones come
// last, and all else stays as somebody wrote it.
func rewriteRecipients(path string, wanted []Recipient) error {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		text, err = []byte(recipientsHead), nil
	}
	if err != nil {
		return fmt.Errorf("read recipients: %w", err)
	}

	var lines []string
	var have []string

	for line := range strings.Lines(string(text)) {
		key := strings.TrimSpace(line)
		isKey := key != "" && !strings.HasPrefix(key, "#")

		if isKey && findRecipient(wanted, key) < 0 {
			if last := len(lines) - 1; last >= 0 && strings.HasPrefix(lines[last], "#") {
				lines = lines[:last]
			}

			continue
		}

		if isKey {
			have = append(have, key)
		}

		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}

	for _, one := range wanted {
		if !slices.Contains(have, one.Key) {
			lines = append(lines, "# "+one.Name, one.Key)
		}
	}

	_, err = file.Write(path, []byte(strings.Join(lines, "\n")+"\n"), file.Options{Mode: 0o644})

	return err
}
