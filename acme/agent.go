package acme

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// agentTimeout is how long the node's agent may take.
const agentTimeout = 15 * time.Second

// maxSaid bounds what is read of an answer.
const maxSaid = 4 << 20

// AgentStore keeps texts in the peer set, through the node's agent.
type AgentStore struct {
	Socket string
	Task   string // whose lease the writes are under
}

// Read is Store's.
func (a AgentStore) Read(ctx context.Context) (map[string]string, error) {
	said, err := a.ask(
		ctx,
		http.MethodGet,
		"/kept",
		"",
	)
	if err != nil {
		return nil, err
	}

	var kept map[string]string
	if err := json.Unmarshal(said, &kept); err != nil {
		return nil, fmt.Errorf("read the agent's answer: %w", err)
	}

	return kept, nil
}

// Write is Store's.
func (a AgentStore) Write(ctx context.Context, name, text string) error {
	path := "/kept/" + url.PathEscape(name) + "?task=" + url.QueryEscape(a.Task)

	_, err := a.ask(
		ctx,
		http.MethodPut,
		path,
		text,
	)

	return err
}

func (a AgentStore) ask(ctx context.Context, method, path, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()

	request, err := http.NewRequestWithContext(
		ctx,
		method,
		"http://agent"+path,
		strings.NewReader(body),
	)
	if err != nil {
		return nil, err
	}

	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", a.Socket)
	}

	transport := &http.Transport{
		DialContext:       dial,
		DisableKeepAlives: true,
	}

	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	defer answer.Body.Close()

	said, err := io.ReadAll(io.LimitReader(answer.Body, maxSaid))
	if err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}

	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the agent says: %s", strings.TrimSpace(string(said)))
	}

	return said, nil
}
