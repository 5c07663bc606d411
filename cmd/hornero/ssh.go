package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh/agent"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/command"
)

const sshHelp = `Runs this machine's own ssh with what it needs to know: the node's address, the authority that vouches
for its host key, and the stack's key. Without a command there is a shell on a terminal; with one, its exit code is
this one's, and 255 is ssh's own for a node that cannot be reached.

The node has to prove by its certificate that it is the one that was asked for: nothing is trusted on first use, and a
node that was replaced is not taken for an impostor. The key is never written to a file: ssh asks an agent for it,
which ends with this command. Your own ~/.ssh/config is read, too (a ProxyJump for "web-*", say), but for what would
weaken this. The stack's key is not forwarded to the node.`

// errNoSSH is a machine without OpenSSH.
var errNoSSH = errors.New("there is no program ssh on this machine; install it (Debian: apt-get install " +
	"openssh-client), or use `hornero exec`, which needs none")

// sshFlags are those that are passed on to ssh.
type sshFlags struct {
	terminal bool
	forwards []string
}

func sshCommand(file *string) *cobra.Command {
	var flags sshFlags
	cmd := &cobra.Command{
		Use:   "ssh NODE [-- COMMAND [ARG...]]",
		Short: "log in to a node with this machine's own ssh, or run a command there",
		Long:  sshHelp,
		Example: "  hornero ssh web-1\n" +
			"  hornero ssh db-2 -t -- top\n" +
			"  hornero ssh web-1 -L 8080:127.0.0.1:80",
		Args: cobra.MinimumNArgs(1),

		ValidArgsFunction: completeNode(file),
		RunE: func(cmd *cobra.Command, args []string) error {
			// Before anything is asked of a cloud.
			program, err := exec.LookPath("ssh")
			if err != nil {
				return errNoSSH
			}

			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				login, err := f.Login(ctx, args[0])
				if err != nil {
					return err
				}

				keys, err := f.Keys()
				if err != nil {
					return err
				}

				return sshSession{
					program: program,
					login:   login,
					keys:    keys,
					flags:   flags,
					words:   args[1:],
				}.run(cmd)
			})
		},
	}
	cmd.Flags().BoolVarP(&flags.terminal, "terminal", "t", false, "a terminal for the command, too")
	cmd.Flags().StringArrayVarP(&flags.forwards, "forward", "L", nil, "forward a port, as ssh -L: `PORT:HOST:PORT`")

	return cmd
}

// sshSession is what ssh is run with.
type sshSession struct {
	program string
	login   fleet.Login
	keys    agent.Agent
	flags   sshFlags
	words   []string // of the command; none for a shell
}

// run runs ssh, and leaves nothing behind.
func (s sshSession) run(cmd *cobra.Command) error {
	folder, err := os.MkdirTemp(socketFolder(), "hornero-ssh-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)

	files, err := writeLogin(folder, s.login)
	if err != nil {
		return err
	}

	listener, err := net.Listen("unix", files.agent)
	if err != nil {
		return err
	}
	defer listener.Close()

	go serveKeys(listener, s.keys)

	session := exec.CommandContext(cmd.Context(), s.program, s.arguments(files)...)
	session.Stdin = cmd.InOrStdin()
	session.Stdout = cmd.OutOrStdout()
	session.Stderr = cmd.ErrOrStderr()

	// It restores the terminal when it is asked to end.
	session.Cancel = func() error { return session.Process.Signal(syscall.SIGTERM) }
	session.WaitDelay = 5 * time.Second

	return sshExit(session.Run())
}

// sshExit makes ssh's exit code this program's.
func sshExit(err error) error {
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.ExitCode() > 0 {
		return exit(failed.ExitCode())
	}

	return err
}

// maxSocketFolder is how long the path of a socket's folder may be: the kernel takes 107 bytes for all of it.
const maxSocketFolder = 70

// socketFolder is where a socket can be: the user's own folder of the running system, or one for temporary files.
func socketFolder() string {
	for _, folder := range []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir()} {
		info, err := os.Stat(folder)
		if err == nil && info.IsDir() && len(folder) <= maxSocketFolder {
			return folder
		}
	}

	return "/tmp"
}

// loginFiles are what ssh reads. None holds a secret.
type loginFiles struct {
	agent      string // a socket
	publicKey  string // chooses one of the agent's keys
	formerKey  string // chooses the one before, which nodes may know that are not replaced yet
	knownHosts string
}

func writeLogin(folder string, login fleet.Login) (loginFiles, error) {
	files := loginFiles{
		agent:      filepath.Join(folder, "agent"),
		publicKey:  filepath.Join(folder, "key.pub"),
		formerKey:  filepath.Join(folder, "former.pub"),
		knownHosts: filepath.Join(folder, "known_hosts"),
	}

	return files, errors.Join(
		os.WriteFile(files.publicKey, []byte(login.PublicKey+"\n"), 0o600),
		os.WriteFile(files.formerKey, []byte(login.FormerKey+"\n"), 0o600),
		os.WriteFile(files.knownHosts, []byte(login.KnownHosts+"\n"), 0o600),
	)
}

// serveKeys lets ssh ask for signatures until the listener is closed.
func serveKeys(listener net.Listener, keys agent.Agent) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}

		go func() {
			defer connection.Close()

			_ = agent.ServeAgent(keys, connection) // ssh tells when it gets no signature
		}()
	}
}

// arguments are ssh's. What stands here goes before the user's own configuration.
func (s sshSession) arguments(files loginFiles) []string {
	var arguments []string

	for _, option := range [][2]string{
		{"HostName", s.login.Address},
		{"HostKeyAlias", s.login.Node},
		{"User", s.login.User},
		{"Port", s.login.Port},

		{"UserKnownHostsFile", sshPath(files.knownHosts)},
		{"GlobalKnownHostsFile", "/dev/null"},
		{"HostKeyAlgorithms", "ssh-ed25519-cert-v01@openssh.com"},
		{"StrictHostKeyChecking", "yes"},
		{"CheckHostIP", "no"},
		{"UpdateHostKeys", "no"},

		{"IdentityAgent", sshPath(files.agent)},
		{"IdentityFile", sshPath(files.publicKey)},
		{"IdentitiesOnly", "yes"},
		{"PreferredAuthentications", "publickey"},
		{"ForwardAgent", "no"},
		{"AddKeysToAgent", "no"},

		// A connection that is shared may lead to a Droplet that had the address before.
		{"ControlMaster", "no"},
		{"ControlPath", "none"},
		{"CanonicalizeHostname", "no"},
	} {
		arguments = append(arguments, "-o", option[0]+"="+option[1])
	}

	if s.login.FormerKey != "" {
		arguments = append(arguments, "-o", "IdentityFile="+sshPath(files.formerKey))
	}

	if s.flags.terminal {
		arguments = append(arguments, "-t")
	}

	for _, forward := range s.flags.forwards {
		arguments = append(arguments, "-L", forward)
	}

	arguments = append(arguments, "--", s.login.Node)

	// SSH carries one string, which a shell on the node splits: quoted, the words arrive as they are.
	if len(s.words) > 0 {
		arguments = append(arguments, command.Quote(s.words))
	}

	return arguments
}

// sshPath writes a path as ssh's options want it: % begins a name of its own there, and a space ends a word.
func sshPath(path string) string {
	return `"` + strings.ReplaceAll(path, "%", "%%") + `"`
}
