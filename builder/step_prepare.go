package builder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/digitalocean/godo"
	"github.com/hashicorp/packer-plugin-sdk/multistep"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/internal/do"
)

// build is what the steps of one run share.
type build struct {
	config *Config
	client *godo.Client
	ui     packersdk.Ui
	owner  owner
}

// halt notes why the build stops.
func halt(state multistep.StateBag, err error) multistep.StepAction {
	state.Put("error", err)
	return multistep.ActionHalt
}

// cleanup runs even after Ctrl-C, so it has a context of its own. It tells whether all is gone; what stays
// behind is told by name.
func (b *build) cleanup(what string, remove func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(context.Background(), b.config.CleanupTimeout)
	defer cancel()

	if err := remove(ctx); err != nil {
		b.ui.Error(fmt.Sprintf("%s is left behind; the next build removes it: %v", what, err))
		return false
	}

	return true
}

// stepDroplet makes the Droplet and waits until it is active and has its address.
type stepDroplet struct {
	*build
	began bool
}

func (s *stepDroplet) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	s.ui.Say(fmt.Sprintf(
		"creating Droplet %s from %s: %s in %s",
		s.config.DropletName,
		s.config.recipe.beneath(),
		s.config.Size,
		s.config.Region,
	))

	// Set before the request: its answer may be lost, and the Droplet there.
	s.began = true

	what := "create Droplet " + s.config.DropletName
	request := s.request(state.Get("keys").([]godo.DropletCreateSSHKey))
	create := func(ctx context.Context) (*godo.Droplet, error) {
		droplet, _, err := s.client.Droplets.Create(ctx, request)
		return droplet, err
	}

	droplet, err := do.Ensure(ctx, what, s.config.wait(s.config.StateTimeout), s.ours, create)
	if err != nil {
		return halt(state, err)
	}

	state.Put("droplet", droplet.ID)

	// Packer tells provisioners this as build.ID.
	state.Put("instance_id", strconv.Itoa(droplet.ID))

	address, err := s.address(ctx, droplet.ID)
	if err != nil {
		return halt(state, err)
	}

	state.Put("address", address)

	return multistep.ActionContinue
}

// ours finds the Droplet that this build made.
func (s *stepDroplet) ours(ctx context.Context) (*godo.Droplet, error) {
	tagged, err := do.DropletsByTag(ctx, s.client, s.owner.tag())
	if err != nil || len(tagged) == 0 {
		return nil, err
	}

	return &tagged[0], nil
}

// address waits until the Droplet is active and has the address that it is reached at.
func (s *stepDroplet) address(ctx context.Context, id int) (string, error) {
	wait, of := do.WaitDropletActive, (*godo.Droplet).PublicIPv4
	if s.config.ConnectWithPrivateIP {
		wait = do.WaitDropletInVPC
		of = (*godo.Droplet).PrivateIPv4
	}

	active, err := wait(ctx, s.client, id, s.config.wait(s.config.StateTimeout))
	if err != nil {
		return "", err
	}

	address, err := of(active)
	if err != nil {
		return "", fmt.Errorf("read address of Droplet %d: %w", id, err)
	}

	return address, nil
}

// request must never be printed: its text holds the user-data.
func (s *stepDroplet) request(keys []godo.DropletCreateSSHKey) *godo.DropletCreateRequest {
	return &godo.DropletCreateRequest{
		Name:             s.config.DropletName,
		Region:           s.config.Region,
		Size:             s.config.Size,
		Image:            s.config.start,
		SSHKeys:          keys,
		VPCUUID:          s.config.VPCUUID,
		Monitoring:       s.config.Monitoring,
		IPv6:             s.config.IPv6,
		WithDropletAgent: s.config.DropletAgent,
		UserData:         s.config.dropletData,
		Tags:             slices.Concat([]string{buildTag, s.owner.tag()}, s.config.Tags),
	}
}

// imageOf takes digits for an image's id and everything else for its slug.
func imageOf(text string) godo.DropletCreateImage {
	if id, err := strconv.Atoi(text); err == nil {
		return godo.DropletCreateImage{ID: id}
	}

	return godo.DropletCreateImage{Slug: text}
}

// Cleanup deletes every Droplet that bears this build's tag: also one whose creation's answer was lost.
func (s *stepDroplet) Cleanup(state multistep.StateBag) {
	if !s.began {
		return
	}

	gone := s.cleanup("the Droplet tagged "+s.owner.tag(), func(ctx context.Context) error {
		ids := map[int]bool{}

		if id, ok := state.Get("droplet").(int); ok {
			ids[id] = true
		}

		// By tag as well: after a lost answer the id was never known, and a repeated request may have made two.
		tagged, err := do.DropletsByTag(ctx, s.client, s.owner.tag())
		for _, droplet := range tagged {
			ids[droplet.ID] = true
		}

		options := s.config.wait(s.config.CleanupTimeout)

		for id := range ids {
			err = errors.Join(err, do.DeleteDroplet(ctx, s.client, id, options))
		}

		return err
	})

	// as long as something bears it, the tag tells the next build whose that is
	if gone && !marked(state, imageLeft) {
		s.cleanup("the tag "+s.owner.tag(), func(ctx context.Context) error {
			return s.deleteTag(ctx, s.owner.tag())
		})
	}
}

// stepReachable waits until sshd lets the build's key in. Packer's own step looks every five seconds only.
type stepReachable struct{ *build }

func (s *stepReachable) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	comm := &s.config.Comm

	// Behind a bastion or a proxy the Droplet cannot be dialled from here: Packer's own step waits alone.
	if comm.SSHBastionHost != "" || comm.SSHProxyHost != "" {
		return multistep.ActionContinue
	}

	client, err := s.config.sshConfig()(state)
	if err != nil {
		return halt(state, fmt.Errorf("prepare SSH: %w", err))
	}

	address := net.JoinHostPort(
		state.Get("address").(string),
		strconv.Itoa(comm.Port()),
	)

	try := func(ctx context.Context) (do.State, error) {
		if err := login(ctx, address, client); err != nil {
			return do.Pending, do.Seen("%v", err)
		}

		return do.Done, nil
	}

	err = do.Wait(ctx, "SSH at "+address, try, do.WaitOptions{
		Timeout:  comm.SSHTimeout,
		Interval: s.config.PollInterval,
		Longest:  2 * time.Second,
	})
	if err != nil {
		return halt(state, err)
	}

	return multistep.ActionContinue
}

func (*stepReachable) Cleanup(multistep.StateBag) {}

// loginTimeout bounds one try to log in.
const loginTimeout = 10 * time.Second

func login(ctx context.Context, address string, config *ssh.ClientConfig) error {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()

	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()

	// The handshake knows no context, and a Droplet that boots may accept and say nothing.
	deadline, _ := ctx.Deadline()

	if err := connection.SetDeadline(deadline); err != nil {
		return err
	}

	session, channels, requests, err := ssh.NewClientConn(connection, address, config)
	if err != nil {
		return err
	}

	return ssh.NewClient(session, channels, requests).Close()
}
