package media

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// ErrSilent is a daemon that does not answer.
var ErrSilent = errors.New("the daemon does not answer; look at the journal of hornero-media.service")

// ask calls the daemon of this node.
func ask(ctx context.Context, socket, method, path string, names []string) (*http.Response, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}

	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	form := url.Values{"path[]": names}

	request, err := http.NewRequestWithContext(
		ctx,
		method,
		"http://media"+path,
		strings.NewReader(form.Encode()),
	)
	if err != nil {
		return nil, err
	}

	request.Header.Set(
		"Content-Type",
		"application/x-www-form-urlencoded",
	)

	answer, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSilent, err)
	}

	if answer.StatusCode < 300 {
		return answer, nil
	}

	defer answer.Body.Close()

	said, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))

	return nil, errors.Join(errors.New(strings.TrimSpace(string(said))), err)
}

// AskStatus asks the daemon of this node what it has.
func AskStatus(ctx context.Context, socket string) (Status, error) {
	answer, err := ask(
		ctx,
		socket,
		http.MethodGet,
		"/status",
		nil,
	)
	if err != nil {
		return Status{}, err
	}
	defer answer.Body.Close()

	var status Status

	return status, json.NewDecoder(answer.Body).Decode(&status)
}

// verifyEnd is the last line of a verify: without it the verify broke off.
const verifyEnd = "files are wrong or missing"

// AskVerify has the daemon of this node compare its files, and prints what it says. It tells whether anything is wrong.
func AskVerify(ctx context.Context, socket string, out io.Writer) (wrong bool, err error) {
	answer, err := ask(
		ctx,
		socket,
		http.MethodPost,
		"/verify",
		nil,
	)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()

	last := ""
	lines := bufio.NewScanner(answer.Body)

	for lines.Scan() {
		last = lines.Text()
		if _, err := fmt.Fprintln(out, last); err != nil {
			return false, err
		}
	}

	if !strings.HasSuffix(last, verifyEnd) {
		return false, fmt.Errorf("verify: %w", errors.Join(lines.Err(), io.ErrUnexpectedEOF))
	}

	return !strings.HasPrefix(last, "0 "), nil
}
