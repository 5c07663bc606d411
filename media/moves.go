package media

import (
	"path"
	"strings"

	"github.com/hornero/hornero/internal/space"
)

// maxName is how long a part of a path may be on a disk, in bytes.
const maxName = 255

// move is an object that is to be a file.
type move struct {
	object space.Object
	path   string
}

// moves are what an import of a Space has to do.
type moves struct {
	wanted  []move
	there   int      // files that the library has already
	adopted []string // paths of objects that are the library's own
	refused []refusedObject
}

// refusedObject is an object that the library cannot hold.
type refusedObject struct {
	key string
	why string
}

// ownObjects are the library's own objects, where they are in the bucket that is imported.
type ownObjects struct {
	same   bool // it is the same bucket
	prefix string
}

// holds tells whether an object is the library's own already, whatever prefix it was listed under.
func (o ownObjects) holds(key string) bool { return o.same && strings.HasPrefix(key, o.prefix) }

// planner says what is to be done with each object.
type planner struct {
	from  *source
	own   ownObjects
	known map[string]told

	folders map[string]bool // of all paths
	taken   map[string]bool // paths of objects
	plan    moves
}

func planMoves(objects []space.Object, from *source, own ownObjects, known map[string]told) moves {
	p := &planner{from: from, own: own, known: known, folders: map[string]bool{}, taken: map[string]bool{}}

	for _, object := range objects {
		p.addFolders(p.path(object.Key))
	}

	for _, object := range objects {
		if !isNoFile(object) && !p.isMarker(object.Key) {
			p.add(object)
		}
	}

	return p.plan
}

// isNoFile tells the names of folders, which a browser of Spaces makes.
func isNoFile(object space.Object) bool {
	return strings.HasSuffix(object.Key, "/") && object.Size == 0
}

// isMarker tells what the library itself wrote beside its files.
func (p *planner) isMarker(key string) bool {
	return p.own.same && strings.HasPrefix(key, p.own.prefix+markerName)
}

func (p *planner) path(key string) string {
	if p.from.names[key] == "" && p.own.holds(key) {
		return strings.TrimPrefix(key, p.own.prefix)
	}

	return p.from.path(key)
}

func (p *planner) addFolders(name string) {
	for name = path.Dir(name); name != "." && name != "/" && !p.folders[name]; name = path.Dir(name) {
		p.folders[name] = true
	}
}

func (p *planner) add(object space.Object) {
	name := p.path(object.Key)

	if why := p.whyNot(name); why != "" {
		p.plan.refused = append(p.plan.refused, refusedObject{key: object.Key, why: why})
		return
	}

	p.taken[name] = true

	switch {
	case p.own.same && p.own.prefix+name == object.Key:
		p.plan.adopted = append(p.plan.adopted, name)
	case isThere(object, p.known[name]):
		p.plan.there++
	default:
		p.plan.wanted = append(p.plan.wanted, move{object: object, path: name})
	}
}

// whyNot says why a library cannot hold a path; empty when it can.
func (p *planner) whyNot(name string) string {
	switch {
	case checkPath(name) != nil:
		return ErrPath.Error()
	case isLocal(name):
		return "such files stay on the node that makes them"
	case p.folders[name]:
		return "it is a folder of other objects, too"
	case p.taken[name]:
		return "another object is this file"
	}

	for part := range strings.SplitSeq(name, "/") {
		if len(part) > maxName {
			return "a part of its name is longer than a disk takes"
		}
	}

	return ""
}

// isThere tells whether a file is kept that is what an object is. The tag of one that was put in pieces tells nothing
// of its bytes: a file of its size that is newer was made of it.
func isThere(object space.Object, known told) bool {
	switch {
	case known.Path == "" || known.Deleted || known.Pending || known.Size != object.Size:
		return false
	case isWhole(object.Tag):
		return known.Tag == object.Tag
	}

	return known.Tag == object.Tag || known.Version.Clock > object.Changed.UnixMicro()
}

// isWhole tells whether a tag is the MD5 of an object, which was put in one piece.
func isWhole(tag string) bool { return tag != "" && !strings.Contains(tag, "-") }
