package spaces

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"

	"github.com/rclone/gofakes3"
)

// The access control lists that there are, by their canned names.
const (
	private    = "private"
	publicRead = "public-read"
)

const (
	ownerID  = "hornero-lab" // of everything: the lab has one account
	everyone = "http://acs.amazonaws.com/groups/global/AllUsers"
)

const aclHeader = "X-Amz-Acl"

// maxACL is how long an access control list may be.
const maxACL = 64 << 10

// wantedACL, in a request's context, is what the object or bucket that it makes is to have.
type wantedACL struct{}

func aclOf(ctx context.Context) string {
	if acl, ok := ctx.Value(wantedACL{}).(string); ok {
		return acl
	}

	return private
}

// cannedACL reads the name of an access control list. A list that gives rights to the bucket's owner
// changes nothing: the owner has them all.
func cannedACL(name string) (string, error) {
	switch name {
	case "", private, "bucket-owner-read", "bucket-owner-full-control":
		return private, nil
	case publicRead:
		return publicRead, nil
	}

	return "", refuse("InvalidArgument", "x-amz-acl must be private or public-read, not %q", name)
}

// aclName is the canned list that a request names: in a header, which a URL signed beforehand has in its query.
func aclName(r *http.Request) string {
	// Unlike a header's, a query's names come in any case.
	for name, values := range r.URL.Query() {
		if http.CanonicalHeaderKey(name) == aclHeader {
			return values[0]
		}
	}

	return r.Header.Get(aclHeader)
}

type aclDocument struct {
	XMLName xml.Name   `xml:"AccessControlPolicy"`
	Xmlns   string     `xml:"xmlns,attr,omitempty"`
	Owner   aclOwner   `xml:"Owner"`
	Grants  []aclGrant `xml:"AccessControlList>Grant"`
}

type aclOwner struct {
	ID          string `xml:"ID"`
	DisplayName string `xml:"DisplayName,omitempty"`
}

type aclGrant struct {
	Grantee    aclGrantee `xml:"Grantee"`
	Permission string     `xml:"Permission"`
}

type aclGrantee struct {
	Namespace   string `xml:"xmlns:xsi,attr,omitempty"`
	Type        string `xml:"xsi:type,attr,omitempty"`
	ID          string `xml:"ID,omitempty"`
	DisplayName string `xml:"DisplayName,omitempty"`
	URI         string `xml:"URI,omitempty"`
}

func showACL(acl string) aclDocument {
	grantee := func(kind string) aclGrantee {
		return aclGrantee{Namespace: "http://www.w3.org/2001/XMLSchema-instance", Type: kind}
	}
	owner := grantee("CanonicalUser")
	owner.ID, owner.DisplayName = ownerID, ownerID
	shown := aclDocument{
		Xmlns:  xmlns,
		Owner:  aclOwner{ID: ownerID, DisplayName: ownerID},
		Grants: []aclGrant{{Grantee: owner, Permission: "FULL_CONTROL"}},
	}
	if acl == publicRead {
		all := grantee("Group")
		all.URI = everyone
		shown.Grants = append(shown.Grants, aclGrant{Grantee: all, Permission: "READ"})
	}

	return shown
}

// readACL finds the canned list that a request means, in its header or in its body.
func readACL(r *http.Request) (string, error) {
	if name := aclName(r); name != "" {
		return cannedACL(name)
	}

	body, err := io.ReadAll(io.LimitReader(r.Body, maxACL))
	if err != nil {
		return "", err
	}

	var document aclDocument

	if err := xml.Unmarshal(body, &document); err != nil {
		return "", refuse("MalformedACLError", "%s", err)
	}

	// Two canned lists are all that there is: a document is accepted only if it means one of them.
	acl := private

	for _, grant := range document.Grants {
		switch {
		// The owner has everything already, so that what a list gives him changes nothing.
		case grant.Grantee.ID == ownerID:
		case grant.Grantee.URI == everyone && grant.Permission == "READ":
			acl = publicRead

		default:
			return "", refuse(
				"InvalidArgument",
				"an access control list may let everyone read, and nothing else: not %s for %s%s",
				grant.Permission,
				grant.Grantee.URI,
				grant.Grantee.ID,
			)
		}
	}

	return acl, nil
}

// serveACL answers for the access control list of a bucket, or of an object.
func (g *gate) serveACL(w http.ResponseWriter, r *http.Request, t target) error {
	b, err := g.backend.bucket(t.bucket)
	if err != nil {
		return err
	}

	acl := b.acl()
	if t.key != "" {
		o, err := b.object(t.key)
		if err != nil {
			return err
		}

		acl = o.ACL
	}

	switch r.Method {
	case http.MethodGet:
		return writeXML(w, showACL(acl))

	case http.MethodPut:
		if acl, err = readACL(r); err != nil {
			return err
		}
		if t.key != "" {
			return b.change(t.key, func(o *object) { o.ACL = acl })
		}

		return b.setACL(acl)
	}

	return gofakes3.ErrMethodNotAllowed
}
