package space

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// MaxCopy is the largest object that the service copies in one request, in bytes.
const MaxCopy = 5 << 30

// Copy is an object to be, of the bytes of another one of the same service.
type Copy struct {
	Bucket string // of the other one
	Source string // its key
	Key    string
	ACL    string
}

// Copy has the service copy an object, with its type, and returns the tag of what came of it. The key must be allowed
// to read the one bucket and to write to the other.
func (c *Client) Copy(ctx context.Context, what Copy) (tag string, err error) {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()

	request, err := c.request(ctx, http.MethodPut, what.Key, nil)
	if err != nil {
		return "", err
	}

	request.Header.Set("X-Amz-Copy-Source", "/"+escape(what.Bucket, false)+"/"+escape(what.Source, true))
	request.Header.Set("X-Amz-Acl", what.ACL)

	answer, err := c.do(request, emptySum)
	if err != nil {
		return "", fmt.Errorf("copy %s: %w", what.Source, err)
	}
	defer answer.Body.Close()

	if tag, err = copied(answer.Body); err != nil {
		return "", fmt.Errorf("copy %s: %w", what.Source, err)
	}

	return tag, nil
}

// copied reads how a copy went. The service says 200 before it has begun: an error may come in the answer's body.
func copied(body io.Reader) (tag string, err error) {
	var document struct {
		XMLName xml.Name
		ETag    string
		Code    string
		Message string
	}

	if err := xml.NewDecoder(io.LimitReader(body, maxRefusal)).Decode(&document); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}

	if document.XMLName.Local == "Error" || document.ETag == "" {
		return "", errors.New(strings.TrimSpace("not done: " + document.Code + " " + document.Message))
	}

	return strings.Trim(document.ETag, `"`), nil
}
