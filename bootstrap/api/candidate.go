package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// candidatePath is where nodes that may found a peer set meet. Members do not know it: they are in one.
const candidatePath = "/v1/candidate"

// Candidate is a node that may found the peer set, as it tells another one of itself.
type Candidate struct {
	Incarnation int  `json:"incarnation"`
	Droplet     int  `json:"droplet"` // DigitalOcean's number
	Founds      bool `json:"founds"`  // it has begun: whoever hears it must not
}

// Before tells which of two candidates founds: the newer incarnation, of equals the elder Droplet. That one also stays
// when two Droplets of one node were launched at once.
func (c Candidate) Before(other Candidate) bool {
	if c.Incarnation != other.Incarnation {
		return c.Incarnation > other.Incarnation
	}

	return c.Droplet < other.Droplet
}

// MeetCandidate tells a node of this candidate, and returns what that node is. Members, and nodes that may not found,
// answer with an error.
func (c *Client) MeetCandidate(ctx context.Context, address string, own Candidate) (Candidate, error) {
	var theirs Candidate
	err := c.postWithin(ctx, address, candidatePath, own, &theirs)

	return theirs, err
}

// Waiting answers for a node that is in no peer set yet, in the place of the agents' API.
type Waiting struct {
	// Meet is told of another candidate and returns this one; nil for a node that is none.
	Meet func(Candidate) Candidate
	// Looked is told that a member looked for this node, and at which address that member is.
	Looked func(name, address string)
}

func (h Waiting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, err := pki.NameOf(r.TLS.PeerCertificates[0])
	isMember := err == nil && peerset.MemberOnly(caller.Kind, caller.Role) == nil

	switch {
	case isMember && r.URL.Path == candidatePath && h.Meet != nil:
		var theirs Candidate
		if json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&theirs) != nil {
			break
		}

		write(w, http.StatusOK, h.Meet(theirs))

		return

	// Only members read the peer set at this node's address: who asks to join is in none either.
	case isMember && r.Method == http.MethodGet:
		if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
			h.Looked(caller.Node, host)
		}
	}

	fail(w, http.StatusServiceUnavailable, fmt.Errorf("%w: this node is not in it yet", peerset.ErrUnavailable))
}
