package builder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
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

// cleanup runs even after Ctrl-C, so it has a context of its own. What stays behind is told by name.
func (b *build) cleanup(what string, remove func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), b.config.CleanupTimeout)
	defer cancel()
	if err := remove(ctx); err != nil {
		b.ui.Error(fmt.Sprintf("%s is left behind; the next build removes it: %v", what, err))
	}
}

// stepSweep removes what builds that died left in the cloud. It never stops the build.
type stepSweep struct{ *build }

func (s *stepSweep) Run(ctx context.Context, _ multistep.StateBag) multistep.StepAction {
	if err := s.sweep(ctx); err != nil {
		s.ui.Message(fmt.Sprintf("leftovers of earlier builds: %v", err))
	}
	return multistep.ActionContinue
}

func (*stepSweep) Cleanup(multistep.StateBag) {}

func (s *stepSweep) sweep(ctx context.Context) error {
	return errors.Join(s.sweepDroplets(ctx), s.sweepKeys(ctx), s.sweepImages(ctx))
}

func (s *stepSweep) sweepDroplets(ctx context.Context) error {
	droplets, err := do.DropletsByTag(ctx, s.client, buildTag)
	if err != nil {
		return err
	}
	for _, droplet := range droplets {
		if !slices.ContainsFunc(droplet.Tags, s.ofDeadBuild) {
			continue
		}
		s.ui.Say(fmt.Sprintf("removing Droplet %d, %s, which a dead build left", droplet.ID, droplet.Name))
		err = errors.Join(err, do.DeleteDroplet(ctx, s.client, droplet.ID, s.config.wait(s.config.CleanupTimeout)))
	}
	return err
}

func (s *stepSweep) ofDeadBuild(tag string) bool {
	owner, ours := ownerOf(tag)
	return ours && owner.dead(s.config.LeftoverAge)
}

func (s *stepSweep) sweepKeys(ctx context.Context) error {
	keys, err := do.Keys(ctx, s.client)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if !s.ofDeadBuild(key.Name) {
			continue
		}
		if _, failure := s.client.Keys.DeleteByID(ctx, key.ID); failure != nil && !do.IsNotFound(failure) {
			err = errors.Join(err, fmt.Errorf("delete SSH key %d: %w", key.ID, failure))
		}
	}
	return err
}

// sweepImages removes snapshots of this name that a build made and did not live to publish.
func (s *stepSweep) sweepImages(ctx context.Context) error {
	images, err := do.UserImages(ctx, s.client)
	if err != nil {
		return err
	}
	for _, image := range images {
		made, failure := time.Parse(time.RFC3339, image.Created)
		if failure != nil || image.Name != s.config.SnapshotName || s.published(image) || time.Since(made) < s.config.LeftoverAge {
			continue
		}
		s.ui.Say(fmt.Sprintf("removing image %d, %s, which a dead build did not finish", image.ID, image.Name))
		err = errors.Join(err, do.DeleteImage(ctx, s.client, image.ID, s.config.wait(s.config.CleanupTimeout)))
	}
	return err
}

// published tells whether the image is complete, of whatever content: its digest tag is the last thing that it gets.
func (s *stepSweep) published(image godo.Image) bool {
	return slices.ContainsFunc(image.Tags, func(tag string) bool { return strings.HasPrefix(tag, "hornero:digest:") })
}

// stepKey gives the build's public key to the API.
type stepKey struct {
	*build
	id int
}

func (s *stepKey) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	key, _, err := s.client.Keys.Create(ctx, &godo.KeyCreateRequest{
		Name:      s.owner.tag(),
		PublicKey: strings.TrimSpace(string(s.config.Comm.SSHPublicKey)),
	})
	if err != nil {
		return halt(state, fmt.Errorf("create SSH key: %w", err))
	}
	s.id = key.ID
	state.Put("key", key.ID)
	return multistep.ActionContinue
}

// Cleanup deletes the key; when the answer to its creation was lost it is found by its name.
func (s *stepKey) Cleanup(multistep.StateBag) {
	s.cleanup("the SSH key "+s.owner.tag(), func(ctx context.Context) error {
		ids := []int{s.id}
		if s.id == 0 {
			keys, err := do.Keys(ctx, s.client)
			if err != nil {
				return err
			}
			ids = idsOf(keys, s.owner.tag())
		}
		for _, id := range ids {
			if _, err := s.client.Keys.DeleteByID(ctx, id); err != nil && !do.IsNotFound(err) {
				return err
			}
		}
		return nil
	})
}

func idsOf(keys []godo.Key, name string) []int {
	var ids []int
	for _, key := range keys {
		if key.Name == name {
			ids = append(ids, key.ID)
		}
	}
	return ids
}

// stepDroplet makes the Droplet and waits until it is active and has its address.
type stepDroplet struct {
	*build
	began bool
}

func (s *stepDroplet) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	s.ui.Say(fmt.Sprintf("creating Droplet %s from %s: %s in %s", s.config.DropletName, s.config.recipe.beneath(), s.config.Size, s.config.Region))
	s.began = true
	droplet, _, err := s.client.Droplets.Create(ctx, s.request(state.Get("key").(int)))
	if err != nil {
		return halt(state, fmt.Errorf("create Droplet %s: %w", s.config.DropletName, err))
	}
	state.Put("droplet", droplet.ID)
	state.Put("instance_id", strconv.Itoa(droplet.ID))
	active, err := do.WaitDropletActive(ctx, s.client, droplet.ID, s.config.wait(s.config.StateTimeout))
	if err != nil {
		return halt(state, err)
	}
	address, err := active.PublicIPv4()
	if err != nil {
		return halt(state, fmt.Errorf("read address of Droplet %d: %w", droplet.ID, err))
	}
	state.Put("address", address)
	return multistep.ActionContinue
}

func (s *stepDroplet) request(key int) *godo.DropletCreateRequest {
	return &godo.DropletCreateRequest{
		Name:    s.config.DropletName,
		Region:  s.config.Region,
		Size:    s.config.Size,
		Image:   s.config.start,
		SSHKeys: []godo.DropletCreateSSHKey{{ID: key}},
		VPCUUID: s.config.VPCUUID,
		Tags:    slices.Concat([]string{buildTag, s.owner.tag()}, s.config.Tags),
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
	s.cleanup("the Droplet tagged "+s.owner.tag(), func(ctx context.Context) error {
		ids := map[int]bool{}
		if id, ok := state.Get("droplet").(int); ok {
			ids[id] = true
		}
		tagged, err := do.DropletsByTag(ctx, s.client, s.owner.tag())
		for _, droplet := range tagged {
			ids[droplet.ID] = true
		}
		for id := range ids {
			err = errors.Join(err, do.DeleteDroplet(ctx, s.client, id, s.config.wait(s.config.CleanupTimeout)))
		}
		return err
	})
}

// stepReachable waits until sshd lets the build's key in. Packer's own step looks every five seconds only.
type stepReachable struct{ *build }

func (s *stepReachable) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	comm := &s.config.Comm
	if comm.SSHBastionHost != "" || comm.SSHProxyHost != "" {
		return multistep.ActionContinue
	}
	client, err := comm.SSHConfigFunc()(state)
	if err != nil {
		return halt(state, fmt.Errorf("prepare SSH: %w", err))
	}
	address := net.JoinHostPort(state.Get("address").(string), strconv.Itoa(comm.Port()))
	err = do.Wait(ctx, "SSH at "+address, func(ctx context.Context) (do.State, error) {
		if err := login(ctx, address, client); err != nil {
			return do.Pending, do.Seen("%v", err)
		}
		return do.Done, nil
	}, do.WaitOptions{Timeout: comm.SSHTimeout, Interval: s.config.PollInterval, Longest: 2 * time.Second})
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
