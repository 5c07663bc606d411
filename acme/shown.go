package acme

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hornero/hornero/internal/certificates"
)

// showTimeout is how long HAProxy may take for one command.
const showTimeout = 10 * time.Second

// Shown is a running HAProxy, and the folder of its certificates' files.
type Shown struct {
	Socket string // "stats socket" in its configuration
	Folder string
}

// ErrNotRunning is a HAProxy that is not there. It reads the files when it starts.
var ErrNotRunning = errors.New("HAProxy does not run")

// Path is a certificate's file, as HAProxy's configuration names it.
func (s Shown) Path(wanted Wanted) string {
	return filepath.Join(s.Folder, certificates.KeptPrefix+wanted.Name+".pem")
}

// Show has HAProxy show what a certificate's file holds, where it shows another. No connection ends.
func (s Shown) Show(ctx context.Context, wanted Wanted) (changed bool, err error) {
	path := s.Path(wanted)

	text, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("read the certificate's file: %w", err)
	}

	leaf, err := leafOf(string(text))
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}

	serial, err := s.Serial(ctx, wanted)
	if err != nil || same(serial, leaf.SerialNumber) {
		return false, err
	}

	// An empty line ends what a command is given.
	payload := strings.ReplaceAll(strings.TrimSpace(string(text)), "\n\n", "\n")

	if _, err := s.command(ctx, "set ssl cert "+path+" <<\n"+payload+"\n"); err != nil {
		return false, err
	}

	if _, err := s.command(ctx, "commit ssl cert "+path); err != nil {
		return false, err
	}

	// An answer alone proves no change.
	serial, err = s.Serial(ctx, wanted)
	if err == nil && !same(serial, leaf.SerialNumber) {
		err = fmt.Errorf("HAProxy shows certificate %s of %s still", serial, path)
	}

	return err == nil, err
}

// Serial is the serial number of the certificate that HAProxy shows, in hexadecimal digits.
func (s Shown) Serial(ctx context.Context, wanted Wanted) (string, error) {
	said, err := s.command(ctx, "show ssl cert "+s.Path(wanted))
	if err != nil {
		return "", err
	}

	for line := range strings.Lines(said) {
		if serial, ok := strings.CutPrefix(line, "Serial: "); ok {
			return strings.ToLower(strings.TrimSpace(serial)), nil
		}
	}

	return "", fmt.Errorf("ask HAProxy for %s: %.200q", s.Path(wanted), said)
}

// same tells whether a text is a serial number.
func same(serial string, number *big.Int) bool { return SameSerial(serial, number.Text(16)) }

// SameSerial compares two serial numbers, whatever zeros one of them begins with.
func SameSerial(one, other string) bool {
	return strings.TrimLeft(strings.ToLower(one), "0") == strings.TrimLeft(strings.ToLower(other), "0")
}

func (s Shown) command(ctx context.Context, text string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()

	var dialer net.Dialer

	connection, err := dialer.DialContext(ctx, "unix", s.Socket)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return "", ErrNotRunning
	}

	if err != nil {
		return "", fmt.Errorf("ask HAProxy: %w", err)
	}
	defer connection.Close()

	stop := context.AfterFunc(ctx, func() { connection.SetDeadline(time.Now()) })
	defer stop()

	if _, err := io.WriteString(connection, text+"\n"); err != nil {
		return "", fmt.Errorf("ask HAProxy: %w", err)
	}

	// HAProxy ends the connection after the answer.
	said, err := io.ReadAll(connection)
	if err != nil {
		return "", fmt.Errorf("ask HAProxy: %w", err)
	}

	return string(said), nil
}
