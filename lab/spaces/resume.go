package spaces

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// resumedUpload, in a request's context, says that what the request brings is on disk already.
type resumedUpload struct {
	id   string
	etag string // of a part
}

// resumeUploads tells gofakes3, which keeps the list of uploads in memory, of those that an earlier process began. It
// has no other way in than requests, so they are sent once more, without their bytes.
func (r *backend) resumeUploads(protocol http.Handler) error {
	for _, b := range r.store.buckets {
		// Each region has a gofakes3 of its own, with a list of its own.
		if b.Region != r.region {
			continue
		}

		for id, u := range b.uploads {
			if err := resend(
				protocol,
				b.Name,
				u.Key,
				http.MethodPost,
				url.Values{"uploads": {""}},
				resumedUpload{id: id},
				0,
			); err != nil {
				return err
			}

			for _, number := range u.sortedParts() {
				query := url.Values{
					"uploadId":   {id},
					"partNumber": {strconv.Itoa(number)},
				}

				p := u.parts[number]

				if err := resend(
					protocol,
					b.Name,
					u.Key,
					http.MethodPut,
					query,
					resumedUpload{
						id:   id,
						etag: p.etag(),
					},
					p.size,
				); err != nil {
					return err
				}
			}
		}
	}

	return nil
}

func resend(
	protocol http.Handler,
	bucket, key, method string,
	query url.Values,
	known resumedUpload,
	size int64,
) error {
	request, err := http.NewRequestWithContext(
		context.WithValue(context.Background(), resumedUpload{}, known),
		method,
		"/",
		http.NoBody,
	)
	if err != nil {
		return err
	}

	// The path is set unparsed: a key may hold what a URL must escape.
	request.URL = &url.URL{
		Path:     "/" + bucket + "/" + key,
		RawQuery: query.Encode(),
	}

	// gofakes3 remembers a part's size by this header; the bytes themselves are on disk.
	request.Header.Set("Content-Length", strconv.FormatInt(size, 10))

	answer := &answer{
		header: http.Header{},
		status: http.StatusOK,
	}
	protocol.ServeHTTP(answer, request)

	if answer.status != http.StatusOK {
		return fmt.Errorf(
			"resume the upload of %s/%s: %d: %s",
			bucket,
			key,
			answer.status,
			answer.String(),
		)
	}

	return nil
}

// answer keeps what a handler answers.
type answer struct {
	bytes.Buffer
	header http.Header
	status int
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = status }
