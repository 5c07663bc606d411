// Package space speaks to one bucket of an S3 service, as DigitalOcean's Spaces: it puts, gets, copies, lists and
// removes objects, and nothing newer than signature 4 and If-None-Match. It knows nothing of what the objects are.
package space

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/report"
)

// Sentinels of this package.
var (
	// ErrNotThere is an object, or a bucket, that is not there.
	ErrNotThere = errors.New("not in the Space")
	// ErrTaken is an object that is there already, and was to be new.
	ErrTaken = errors.New("is in the Space already")
	// ErrRefused is a key that may not do what was asked. To try again is of no use.
	ErrRefused = errors.New("the Space's key is refused")
	// ErrRejected is a request that the service does not understand, or does not do. To try again is of no use.
	ErrRejected = errors.New("the Space does not do that")
	// ErrAddress is a text that is no address of a Space.
	ErrAddress = errors.New("not the address of a Space")
)

// IsLasting tells whether to try again is of no use.
func IsLasting(err error) bool {
	for _, lasting := range []error{ErrNotThere, ErrTaken, ErrRefused, ErrRejected} {
		if errors.Is(err, lasting) {
			return true
		}
	}

	return false
}

// Access control lists, by their canned names.
const (
	Public  = "public-read"
	Private = "private"
)

// answerTimeout is how long the service may take to begin its answer, stallTimeout the whole of a request without
// a file's bytes, and copyTimeout a copy within the service.
const (
	answerTimeout = 8 * time.Second
	stallTimeout  = 15 * time.Second
	copyTimeout   = 5 * time.Minute
)

// Client speaks to one bucket. Its fields do not change.
type Client struct {
	Endpoint string // as in https://fra1.digitaloceanspaces.com; the bucket is in the path
	Region   string
	Bucket   string
	Key      string
	Secret   report.Secret
	HTTP     *http.Client // nil: one with timeouts
}

// NewHTTP is the client of requests to a service that may stop answering.
func NewHTTP() *http.Client { return newHTTP(answerTimeout) }

// NewPatientHTTP is the client of requests whose answer may begin late, as that to a copy of much.
func NewPatientHTTP() *http.Client { return newHTTP(copyTimeout) }

func newHTTP(answers time.Duration) *http.Client {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: answers,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   8,
		DisableCompression:    true, // what was put is wanted, whose size and tag are known
		IdleConnTimeout:       time.Minute,
	}

	return &http.Client{Transport: transport}
}

// Object is what the service tells of an object.
type Object struct {
	Key     string
	Size    int64
	Tag     string // the ETag, without quotes: the MD5 of what was put in one piece
	Changed time.Time

	Encoding string // of its content, as in gzip; a listing does not have it
}

// Upload is an object to be.
type Upload struct {
	Key  string
	Body io.Reader
	Size int64
	Sum  string // SHA-256 of the body, in hex
	Type string // of its content
	ACL  string
	New  bool // only where there is none of this key
}

// Put puts an object, whole. The service compares the sum.
func (c *Client) Put(ctx context.Context, upload Upload) error {
	request, err := c.request(ctx, http.MethodPut, upload.Key, nil)
	if err != nil {
		return err
	}

	// A body of no length would be sent in chunks, which are not signed.
	request.ContentLength = upload.Size
	request.Body = io.NopCloser(upload.Body)

	if upload.Size == 0 {
		request.Body = http.NoBody
	}

	request.Header.Set("Content-Type", upload.Type)
	request.Header.Set("X-Amz-Acl", upload.ACL)

	if upload.New {
		request.Header.Set("If-None-Match", "*")
	}

	answer, err := c.do(request, upload.Sum)
	if err != nil {
		return fmt.Errorf("put %s: %w", upload.Key, err)
	}

	return answer.Body.Close()
}

// Get opens an object.
func (c *Client) Get(ctx context.Context, key string) (Object, io.ReadCloser, error) {
	request, err := c.request(ctx, http.MethodGet, key, nil)
	if err != nil {
		return Object{}, nil, err
	}

	answer, err := c.do(request, emptySum)
	if err != nil {
		return Object{}, nil, fmt.Errorf("get %s: %w", key, err)
	}

	// One without the header was changed at the beginning of time.
	changed, _ := http.ParseTime(answer.Header.Get("Last-Modified"))
	found := Object{
		Key:     key,
		Size:    answer.ContentLength,
		Tag:     strings.Trim(answer.Header.Get("ETag"), `"`),
		Changed: changed,

		Encoding: answer.Header.Get("Content-Encoding"),
	}

	return found, answer.Body, nil
}

// Exists tells whether the bucket is there. A bucket of somebody else's is ErrRefused.
func (c *Client) Exists(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, stallTimeout)
	defer cancel()

	request, err := c.request(ctx, http.MethodHead, "", nil)
	if err != nil {
		return false, err
	}

	answer, err := c.do(request, emptySum)
	if errors.Is(err, ErrNotThere) {
		return false, nil
	}

	if err != nil {
		return false, fmt.Errorf("look for bucket %s: %w", c.Bucket, err)
	}

	return true, answer.Body.Close()
}

// MakeBucket makes the bucket. Its objects are private unless they say otherwise.
func (c *Client) MakeBucket(ctx context.Context) error {
	request, err := c.request(ctx, http.MethodPut, "", nil)
	if err != nil {
		return err
	}

	answer, err := c.do(request, emptySum)
	if err != nil {
		return fmt.Errorf("make bucket %s: %w", c.Bucket, err)
	}

	return answer.Body.Close()
}

// Delete removes an object. One that is not there is removed already.
func (c *Client) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, stallTimeout)
	defer cancel()

	request, err := c.request(ctx, http.MethodDelete, key, nil)
	if err != nil {
		return err
	}

	answer, err := c.do(request, emptySum)
	if errors.Is(err, ErrNotThere) {
		return nil
	}

	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}

	return answer.Body.Close()
}

// page is a part of a listing (ListObjectsV2).
type page struct {
	Contents []struct {
		Key          string
		Size         int64
		ETag         string
		LastModified time.Time
	}
	IsTruncated           bool
	NextContinuationToken string
}

// List visits all objects under a prefix. An error means that there may be more of them.
func (c *Client) List(ctx context.Context, prefix string, visit func(Object)) error {
	token := ""

	for {
		found, next, err := c.Page(ctx, prefix, token)
		if err != nil {
			return err
		}

		for _, object := range found {
			visit(object)
		}

		if next == "" {
			return nil
		}

		token = next
	}
}

// Page lists a part of the objects under a prefix: the first, or what a token leads to. next leads to the part after
// it, and is empty at the end.
func (c *Client) Page(ctx context.Context, prefix, token string) (objects []Object, next string, err error) {
	found, err := c.page(ctx, prefix, token)
	if err != nil {
		return nil, "", fmt.Errorf("list %s: %w", c.Bucket, err)
	}

	for _, object := range found.Contents {
		objects = append(objects, Object{
			Key:     object.Key,
			Size:    object.Size,
			Tag:     strings.Trim(object.ETag, `"`),
			Changed: object.LastModified,
		})
	}

	if !found.IsTruncated {
		return objects, "", nil
	}

	// The same page again would never end.
	if found.NextContinuationToken == "" || found.NextContinuationToken == token {
		return nil, "", fmt.Errorf("list %s: the listing broke off", c.Bucket)
	}

	return objects, found.NextContinuationToken, nil
}

func (c *Client) page(ctx context.Context, prefix, token string) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, stallTimeout)
	defer cancel()

	values := url.Values{"list-type": {"2"}, "prefix": {prefix}, "max-keys": {"1000"}}
	if token != "" {
		values.Set("continuation-token", token)
	}

	request, err := c.request(ctx, http.MethodGet, "", values)
	if err != nil {
		return page{}, err
	}

	answer, err := c.do(request, emptySum)
	if err != nil {
		return page{}, err
	}
	defer answer.Body.Close()

	var found page

	return found, xml.NewDecoder(answer.Body).Decode(&found)
}

func (c *Client) request(ctx context.Context, method, key string, values url.Values) (*http.Request, error) {
	address := strings.TrimSuffix(c.Endpoint, "/") + "/" + escape(c.Bucket, false)
	if key != "" {
		address += "/" + escape(key, true)
	}

	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the Space: %w", err)
	}

	// Parsed, it would be encoded anew, and otherwise than it is signed.
	request.URL.RawPath = strings.TrimPrefix(address, request.URL.Scheme+"://"+request.URL.Host)
	request.URL.RawQuery = query(values)

	return request, nil
}

// do sends a request, and makes errors of what is no success.
func (c *Client) do(request *http.Request, sum string) (*http.Response, error) {
	c.sign(request, sum, time.Now())

	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}

	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}

	if answer.StatusCode < 300 {
		return answer, nil
	}

	defer answer.Body.Close()

	return nil, refusal(answer)
}

// maxRefusal bounds what is read of an error's document, in bytes.
const maxRefusal = 16 << 10

func refusal(answer *http.Response) error {
	var document struct {
		Code    string
		Message string
	}

	// An answer that is no document has its status.
	_ = xml.NewDecoder(io.LimitReader(answer.Body, maxRefusal)).Decode(&document)

	said := strings.TrimSpace(strconv.Itoa(answer.StatusCode) + " " + document.Code)
	if document.Message != "" {
		said += ": " + document.Message
	}

	switch answer.StatusCode {
	case http.StatusNotFound:
		return fmt.Errorf("%w: %s", ErrNotThere, said)
	case http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %s", ErrTaken, said)
	case http.StatusForbidden, http.StatusUnauthorized:
		return fmt.Errorf("%w: %s", ErrRefused, said)
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return errors.New(said)
	}

	if answer.StatusCode < http.StatusInternalServerError {
		return fmt.Errorf("%w: %s", ErrRejected, said)
	}

	return errors.New(said)
}
