package media

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// entryHeader carries an entry, in base64 of its JSON: paths have all kinds of characters.
const entryHeader = "X-Media-Entry"

// How long another node may take.
const (
	dialTimeout = 2 * time.Second
	tellTimeout = 3 * time.Second
	pushTimeout = 5 * time.Minute
)

// peers are the other nodes of the role, as the peer set has them.
type peers struct {
	own  string
	http *http.Client
	port int

	mu       sync.Mutex
	list     []Peer
	expected []string
}

// newPeers prepares calls to the other nodes; config nil: there are none.
func newPeers(own string, config *tls.Config, port int) *peers {
	if config != nil {
		config = config.Clone()
		config.ClientCAs = nil // this side only calls
	}

	dialer := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		TLSClientConfig:       config,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: pushTimeout,
		MaxIdleConnsPerHost:   DefaultWorkers,
		IdleConnTimeout:       30 * time.Second,
	}

	return &peers{own: own, http: &http.Client{Transport: transport}, port: port}
}

func (p *peers) set(list []Peer, expected []string) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.list = slices.DeleteFunc(slices.Clone(list), func(peer Peer) bool { return peer.Name == p.own })
	p.expected = slices.Clone(expected)
}

// live are the others that the peer set takes for alive.
func (p *peers) live() []Peer {
	p.mu.Lock()
	defer p.mu.Unlock()

	return slices.DeleteFunc(slices.Clone(p.list), func(peer Peer) bool { return !peer.Alive })
}

// needed is how many others must have a file before its writer is told that it is kept. A majority of the nodes that
// there should be, with this one; fewer only where the peer set, which has a majority of its own, says that others are
// gone.
func (p *peers) needed() int {
	live := len(p.live())

	p.mu.Lock()
	defer p.mu.Unlock()

	return min(len(p.expected)/2, live)
}

func (p *peers) url(peer Peer, path, file string) string {
	address := peer.Address

	// A test's peers have a port each.
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, strconv.Itoa(p.port))
	}

	made := url.URL{Scheme: "https", Host: address, Path: path}
	if file != "" {
		made.RawQuery = url.Values{"path": {file}}.Encode()
	}

	return made.String()
}

func encodeEntry(entry Entry) (string, error) {
	data, err := json.Marshal(entry)
	return base64.StdEncoding.EncodeToString(data), err
}

func decodeEntry(text string) (Entry, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return Entry{}, fmt.Errorf("read entry: %w", err)
	}

	var entry Entry

	return entry, json.Unmarshal(data, &entry)
}

// push sends a version to a node, with its bytes or without them (nil). It returns what that node knows after.
func (p *peers) push(ctx context.Context, to Peer, entry Entry, body io.ReadCloser) (Entry, error) {
	encoded, err := encodeEntry(entry)
	if err != nil {
		return Entry{}, err
	}

	request, err := http.NewRequestWithContext(
		ctx,
		http.MethodPut,
		p.url(to, "/v1/file", ""),
		body,
	)
	if err != nil {
		return Entry{}, err
	}

	request.Header.Set(entryHeader, encoded)

	if body != nil {
		request.ContentLength = entry.Size
		request.Header.Set("X-Media-Bytes", "yes")
	}

	if body != nil && entry.Size == 0 {
		request.Body = http.NoBody
	}

	answer, err := p.do(request)
	if err != nil {
		return Entry{}, fmt.Errorf("send to %s: %w", to.Name, err)
	}
	defer answer.Body.Close()

	return decodeEntry(answer.Header.Get(entryHeader))
}

// get opens a file that another node has.
func (p *peers) get(ctx context.Context, from Peer, path string) (Entry, io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(
		ctx,
		http.MethodGet,
		p.url(from, "/v1/file", path),
		nil,
	)
	if err != nil {
		return Entry{}, nil, err
	}

	answer, err := p.do(request)
	if err != nil {
		return Entry{}, nil, fmt.Errorf("ask %s: %w", from.Name, err)
	}

	entry, err := decodeEntry(answer.Header.Get(entryHeader))
	if err != nil {
		_ = answer.Body.Close() // it is not read
		return Entry{}, nil, err
	}

	return entry, answer.Body, nil
}

// entries visits all that another node knows.
func (p *peers) entries(ctx context.Context, from Peer, visit func(told)) error {
	request, err := http.NewRequestWithContext(
		ctx,
		http.MethodGet,
		p.url(from, "/v1/entries", ""),
		nil,
	)
	if err != nil {
		return err
	}

	answer, err := p.do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", from.Name, err)
	}
	defer answer.Body.Close()

	if err := readTold(answer.Body, visit); err != nil {
		return fmt.Errorf("read what %s knows: %w", from.Name, err)
	}

	return nil
}

// compare has a node compare all it knows, and waits for it.
func (p *peers) compare(ctx context.Context, on Peer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url(on, "/v1/compare", ""), nil)
	if err != nil {
		return err
	}

	answer, err := p.do(request)
	if err != nil {
		return fmt.Errorf("have %s compare: %w", on.Name, err)
	}

	return answer.Body.Close()
}

func (p *peers) do(request *http.Request) (*http.Response, error) {
	answer, err := p.http.Do(request)
	if err != nil {
		return nil, err
	}

	if answer.StatusCode < 300 {
		return answer, nil
	}

	defer answer.Body.Close()

	// The reason is for people; without one the status stands alone.
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	reason := fmt.Errorf(
		"%s: %s",
		answer.Status,
		strings.TrimSpace(string(said)),
	)

	if answer.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%w: %w", ErrNotThere, reason)
	}

	return nil, reason
}

// tell gives a version, without its bytes, to all live nodes at once. Who misses it finds it when all is compared.
func (p *peers) tell(ctx context.Context, entry Entry) {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()

	var wait sync.WaitGroup

	for _, peer := range p.live() {
		wait.Go(func() {
			_, _ = p.push(ctx, peer, entry, nil) // as above
		})
	}

	wait.Wait()
}

// find opens a file at the first live node that has it. away tells that a node could not be asked.
func (p *peers) find(ctx context.Context, path string) (entry Entry, body io.ReadCloser, away bool, err error) {
	for _, peer := range p.live() {
		entry, body, err := p.get(ctx, peer, path)
		if err == nil {
			return entry, body, away, nil
		}

		away = away || !errors.Is(err, ErrNotThere)
	}

	return Entry{}, nil, away, fmt.Errorf("%w: %s", ErrNotThere, path)
}
