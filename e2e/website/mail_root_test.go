//go:build root

package website_test

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
)

const (
	mailHost = "mail.example.org"
	mailUser = "shop"
)

// letter is what a mail server took.
type letter struct {
	user string
	from string
	to   string
	text string
}

// mailServer is a relay that wants STARTTLS and a login.
type mailServer struct {
	password string

	mu      sync.Mutex
	letters []letter
}

// NewSession is smtp.Backend's.
func (m *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &mailSession{server: m}, nil
}

// taken are the letters that came.
func (m *mailServer) taken() []letter {
	m.mu.Lock()
	defer m.mu.Unlock()

	return append([]letter(nil), m.letters...)
}

// mailSession is one connection.
type mailSession struct {
	server *mailServer
	letter letter
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != mailUser || password != s.server.password {
			return smtp.ErrAuthFailed
		}

		s.letter.user = user

		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.letter.user == "" {
		return smtp.ErrAuthRequired
	}

	s.letter.from = from

	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.letter.to = to
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.letter.text = string(text)

	s.server.mu.Lock()
	s.server.letters = append(s.server.letters, s.letter)
	s.server.mu.Unlock()

	return err
}

func (s *mailSession) Reset() {}

func (s *mailSession) Logout() error { return nil }

// startMail starts a relay whose certificate is of an authority that Debian trusts, not of the stack's.
func (s *site) startMail() *mailServer {
	s.t.Helper()

	authority, err := pki.NewCA("public")
	require.NoError(s.t, err)

	own, err := authority.IssueSite("relay", mailHost)
	require.NoError(s.t, err)

	pair, err := tls.X509KeyPair([]byte(own.Certificate), []byte(own.Key.Reveal()))
	require.NoError(s.t, err)

	m := &mailServer{password: s.secrets["wordpress.smtp_password"].Reveal()}
	server := smtp.NewServer(m)
	server.Domain = mailHost
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}

	listener, err := net.Listen("tcp", self+":2525")
	require.NoError(s.t, err)
	s.t.Cleanup(func() { server.Close() })

	go func() { _ = server.Serve(listener) }()

	for _, n := range s.web {
		n.write(
			"/etc/ssl/certs/public.pem",
			"0644",
			"root:root",
			authority.Certificate,
		)
		n.run("openssl", "rehash", "/etc/ssl/certs")

		hosts, err := os.ReadFile(n.root + "/etc/hosts")
		require.NoError(s.t, err)

		n.write(
			"/etc/hosts",
			"0644",
			"root:root",
			string(hosts)+self+" "+mailHost+"\n",
		)
	}

	return m
}

// reminder is a plugin that writes a letter from cron.
const reminder = `<?php
add_action('test_reminder', function () {
	wp_mail('bea@example.org', 'Reminder', 'Do not forget.', 'From: Shop <orders@example.org>');
});
`

func TestALetterGoesByTheStacksMailServer(t *testing.T) {
	s := prepareSite(t, map[string]string{
		"smtp_host": mailHost,
		"smtp_user": mailUser,
		"smtp_from": "shop@example.org",
	})

	s.adds("/usr/share/wordpress/wp-content/mu-plugins/reminder.php", reminder)
	s.addNode()
	s.install()

	m := s.startMail()
	node := s.web[0]

	// A forgotten password, by the form.
	page := node.ask(
		"POST",
		"/wp-login.php?action=lostpassword",
		"user_login=admin",
		"Content-Type",
		"application/x-www-form-urlencoded",
	)
	require.Equal(t, 302, page.status, page.body)
	require.Len(t, m.taken(), 1)
	require.Equal(t, mailUser, m.taken()[0].user)
	require.Equal(t, "shop@example.org", m.taken()[0].from)
	require.Equal(t, "admin@example.org", m.taken()[0].to)
	require.Contains(t, m.taken()[0].text, "action=rp")

	// From cron; what the plugin says of the sender stays.
	node.wordpress("wp_schedule_single_event(time() - 1, 'test_reminder');")
	node.task("wordpress-cron")
	require.Len(t, m.taken(), 2)
	require.Equal(t, "orders@example.org", m.taken()[1].from)
	require.Contains(t, m.taken()[1].text, "Do not forget.")

	out, err := node.verb("site mail-test", "cleo@example.org")
	require.NoError(t, err, out)
	require.Len(t, m.taken(), 3)
	require.Equal(t, "cleo@example.org", m.taken()[2].to)
}

func TestALetterThatFailsIsToldWithoutItsText(t *testing.T) {
	s := newSite(t, 1, map[string]string{
		"smtp_host": mailHost,
		"smtp_user": mailUser,
		"url":       "https://www.example.org",
	})

	m := s.startMail()
	m.password = "another"
	node := s.web[0]
	begun := time.Now()

	out, err := node.verb("site mail-test", "cleo@example.org")
	require.Error(t, err)
	require.Contains(t, out, "the letter was not sent: SMTP Error: Could not authenticate.")
	require.Contains(t, out, "mail to cleo@example.org (Test letter from Shop) was not sent")
	require.NotContains(t, out, "was asked for")
	require.Less(t, time.Since(begun), time.Minute)
	require.Empty(t, m.taken())
}
