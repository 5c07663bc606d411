package lab

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Choice is the lab that a stack's file means when none is named.
type Choice struct {
	Name  string
	Other string // the folder that the default lab belongs to, when that is another one
	Gone  bool   // the stack's file of that folder is no more: the default lab is free
}

// situation is all that the choice of a lab depends on. A stack's file is known by its absolute path.
type situation struct {
	Stack   string // the stack's file that asks; empty where there is none
	Started bool   // its folder has a lab of its own already, beside the default one
	Owner   string // the stack's file that the default lab belongs to; empty: nobody has it
	Gone    bool   // that file is no more
}

// choose gives the default lab to one folder, and a lab of its own to each other.
func choose(s situation) Choice {
	folder := filepath.Dir(s.Stack)
	choice := Choice{Name: DefaultName}

	if s.Owner != "" && (s.Stack == "" || filepath.Dir(s.Owner) != folder) {
		choice.Other = filepath.Dir(s.Owner)
		choice.Gone = s.Gone
	}

	switch {
	case s.Stack == "":

	// what a folder launched in its own lab stays where it finds it, also when the default lab becomes free
	case s.Started:
		choice.Name = ownName(folder)

	case choice.Other != "" && !choice.Gone:
		choice.Name = ownName(folder)
	}

	return choice
}

// NameFor tells which lab a stack's file means when none is named. The path is absolute, or empty where there is no
// stack's file.
func NameFor(stackFile string) (Choice, error) {
	owner, err := FolderOf(DefaultName).owner()
	if err != nil {
		return Choice{}, err
	}

	s := situation{
		Stack: stackFile,
		Owner: owner,
		Gone:  gone(owner),
	}

	if stackFile != "" {
		own := FolderOf(ownName(filepath.Dir(stackFile)))
		_, err := os.Stat(own.settingsFile())

		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Choice{}, fmt.Errorf("look for lab %s: %w", own.Name, err)
		}

		s.Started = err == nil
	}

	return choose(s), nil
}

// The parts of a lab's own name. A lab's name has at most 20 letters (machine.checkName).
const (
	ownBase   = 13
	ownDigits = 6
)

var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// ownName is the name of the lab that belongs to one folder: NAME-HASH.
func ownName(folder string) string {
	base := unfit.ReplaceAllString(strings.ToLower(filepath.Base(folder)), "-")
	base = strings.Trim(base, "-")
	base = strings.TrimRight(base[:min(len(base), ownBase)], "-")

	sum := sha256.Sum256([]byte(folder))
	digits := hex.EncodeToString(sum[:])

	// a name that ended with a number would be taken for a Droplet's
	for len(digits) > ownDigits && !strings.ContainsAny(digits[:ownDigits], "abcdef") {
		digits = digits[1:]
	}

	return cmp.Or(base, "lab") + "-" + digits[:ownDigits]
}

// Adopt makes a stack's folder the owner of a lab that runs and has none, or whose owner is no more.
func Adopt(name, stackFile string) error {
	f := FolderOf(name)

	kept, err := f.settings()
	if err != nil || ownerAfter(kept.Owner, stackFile) == kept.Owner {
		return err
	}

	unlock, err := lockFolder(f.Parent)
	if err != nil {
		return err
	}
	defer unlock()

	// somebody else may have been quicker
	if kept, err = f.settings(); err != nil {
		return err
	}

	kept.Owner = ownerAfter(kept.Owner, stackFile)

	return f.keepSettings(kept)
}

// ownerAfter is the owner of a lab that was started for a stack's file, or is used by it while it runs.
func ownerAfter(owner, stackFile string) string {
	if stackFile != "" && (owner == "" || gone(owner)) {
		return stackFile
	}

	return owner
}

// gone tells whether a lab's owner is no more.
func gone(owner string) bool {
	if owner == "" {
		return false
	}

	_, err := os.Stat(owner)

	return errors.Is(err, fs.ErrNotExist)
}

// owner is the stack's file that the lab belongs to. Nobody owns a lab that never started, one from before owners were
// kept, and one whose settings are damaged, which only a reset mends.
func (f Folder) owner() (string, error) {
	kept, err := f.settings()

	var syntax *json.SyntaxError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &syntax) {
		return "", nil
	}

	if err != nil {
		return "", fmt.Errorf("look whose lab %s is: %w", f.Name, err)
	}

	return kept.Owner, nil
}

// folderOf is what people are told of an owner.
func folderOf(owner string) string {
	if owner == "" {
		return ""
	}

	return filepath.Dir(owner)
}
