package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/hornero/hornero/lab/state"
)

// maxUserData is the largest user-data that DigitalOcean takes.
const maxUserData = 64 << 10

// maxAtOnce is how many Droplets one request may ask for.
const maxAtOnce = 10

// idOrName is a JSON number or string: an image, or an SSH key.
type idOrName string

func (n *idOrName) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*n = idOrName(text)
		return nil
	}

	// images and keys come as numbers or as strings, mixed in one list
	var id int
	if err := json.Unmarshal(data, &id); err != nil {
		return invalid("%s is neither a number nor a name", data)
	}

	*n = idOrName(strconv.Itoa(id))

	return nil
}

type dropletRequest struct {
	Name       string     `json:"name"`
	Names      []string   `json:"names"`
	Region     string     `json:"region"`
	Size       string     `json:"size"`
	Image      idOrName   `json:"image"`
	SSHKeys    []idOrName `json:"ssh_keys"`
	Backups    bool       `json:"backups"`
	IPv6       bool       `json:"ipv6"`
	Monitoring bool       `json:"monitoring"`

	BackupPolicy *policyRequest `json:"backup_policy"`

	UserData          string      `json:"user_data"`
	Tags              []string    `json:"tags"`
	VPCUUID           string      `json:"vpc_uuid"`
	Volumes           []volumeRef `json:"volumes"`
	WithDropletAgent  *bool       `json:"with_droplet_agent"`
	PublicNetworking  *bool       `json:"public_networking"`
	PrivateNetworking bool        `json:"private_networking"`
}

func (s *Server) createDroplets(r *http.Request) (*reply, error) {
	var body dropletRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	if err := body.check(); err != nil {
		return nil, err
	}

	var made []state.Droplet
	var actions []state.Action
	err := s.Store.Update(func(d *state.Document) (err error) {
		made, actions, err = s.recordDroplets(d, body)
		return err
	})
	if err != nil {
		return nil, err
	}

	// the actions look their Droplets up in the state, and begin after it is written
	for _, action := range actions {
		s.runAction(action)
	}

	return s.showCreated(r, body, made, actions), nil
}

// check finds what is wrong with the request itself.
func (b *dropletRequest) check() error {
	names := b.names()
	switch {
	case len(names) == 0:
		return invalid("Name can't be blank")
	case b.Name != "" && len(b.Names) > 0:
		return invalid("name and names can't both be given")
	case len(names) > maxAtOnce:
		return invalid("You can only create %d droplets at once", maxAtOnce)
	case len(b.UserData) > maxUserData:
		return invalid("User data is too long (maximum is %d bytes)", maxUserData)

	// a volume is attached to one Droplet at a time
	case len(b.Volumes) > 0 && len(names) > 1:
		return invalid("volumes can't be attached to more than one Droplet")
	case b.private() && b.IPv6:
		return invalid("IPv6 needs public networking")
	}

	for _, name := range names {
		if !validHostname(name) {
			return invalid("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
		}
	}

	if err := b.BackupPolicy.check(); err != nil {
		return err
	}

	return checkTags(b.Tags)
}

// private tells whether Droplets with nothing but their VPC were asked for.
func (b *dropletRequest) private() bool {
	return b.PublicNetworking != nil && !*b.PublicNetworking
}

func (b *dropletRequest) names() []string {
	if b.Name != "" {
		return []string{b.Name}
	}

	return b.Names
}

// recordDroplets records the new Droplets with their addresses, and an action for each.
func (s *Server) recordDroplets(d *state.Document, body dropletRequest) ([]state.Droplet, []state.Action, error) {
	pattern, err := s.resolveDroplet(d, body)
	if err != nil {
		return nil, nil, err
	}

	if len(d.Droplets)+len(body.names()) > dropletLimit {
		return nil, nil, invalid("creating this/these droplet(s) will exceed your droplet limit")
	}

	pattern.Tags = d.UseTags(body.Tags)

	var made []state.Droplet
	var actions []state.Action

	for _, name := range body.names() {
		// all share what was resolved once: the request succeeds or fails as a whole
		droplet := pattern
		droplet.ID = d.NextID()
		droplet.Name = name

		if err := s.assignAddresses(d, &droplet, body.private()); err != nil {
			return nil, nil, err
		}

		if err := assignVolumes(d, droplet, body.Volumes); err != nil {
			return nil, nil, err
		}

		d.Droplets = append(d.Droplets, droplet)

		action := state.Action{
			ID:           d.NextID(),
			Type:         "create",
			Status:       state.ActionInProgress,
			Started:      droplet.Created,
			ResourceID:   droplet.ID,
			ResourceType: "droplet",
			Region:       droplet.Region,
		}

		d.Actions = append(d.Actions, action)

		made = append(made, droplet)
		actions = append(actions, action)
	}

	return made, actions, nil
}

// assignAddresses takes a Droplet's addresses: a public one unless it has only its VPC, and one in the VPC.
func (s *Server) assignAddresses(d *state.Document, droplet *state.Droplet, private bool) error {
	var inPublic, inVPC bool

	if private {
		inPublic = true // it takes none
	} else {
		droplet.Public, inPublic = d.TakePublic(s.Public)
	}

	// each Droplet is in a VPC, also one that has a public address
	droplet.Private, inVPC = d.TakePrivate(d.VPC(droplet.VPC))

	if !inPublic || !inVPC {
		return invalid("no free address is left in the lab's range %s or in the VPC's %s", s.Public, droplet.Network)
	}

	return nil
}

// resolveDroplet finds everything that the request names, and returns a Droplet without name and addresses.
func (s *Server) resolveDroplet(d *state.Document, body dropletRequest) (state.Droplet, error) {
	none := state.Droplet{}

	if _, known := findRegion(body.Region); !known {
		return none, invalid("You specified an invalid region for Droplet creation.")
	}

	size, known := findSize(body.Size)
	if !known {
		return none, invalid("You specified an invalid size for Droplet creation.")
	}

	image, err := resolveImage(d, string(body.Image), body.Region, size)
	if err != nil {
		return none, err
	}

	keys, err := resolveKeys(d, body.SSHKeys)
	if err != nil {
		return none, err
	}

	// DigitalOcean puts Droplets without vpc_uuid into the region's default VPC
	vpc := d.DefaultVPC(body.Region)
	if body.VPCUUID != "" {
		vpc = d.VPC(body.VPCUUID)
	}

	if vpc == nil || vpc.Region != body.Region {
		refusal := "You specified an invalid VPC for Droplet creation: it is not in the region %s."
		return none, invalid(refusal, body.Region)
	}

	var policy state.BackupPolicy
	if body.Backups {
		policy = body.BackupPolicy.policy()
	}

	return state.Droplet{
		BackupPolicy: policy,

		Region:      body.Region,
		Size:        body.Size,
		ImageID:     image.ID,
		Image:       *image,
		Status:      state.DropletNew,
		Locked:      true,
		VPC:         vpc.ID,
		Network:     vpc.Range,
		Features:    body.features(),
		UserData:    body.UserData,
		PublicKeys:  keys,
		SnapshotIDs: []int{},
		Created:     s.now(),
	}, nil
}

func (b *dropletRequest) features() []string {
	features := []string{}
	add := func(name string, on bool) {
		if on {
			features = append(features, name)
		}
	}

	add("backups", b.Backups)
	add("ipv6", b.IPv6)
	add("monitoring", b.Monitoring)
	add("droplet_agent", b.WithDropletAgent != nil && *b.WithDropletAgent)
	add("private_networking", true) // every Droplet is in a VPC

	return features
}

// resolveImage finds a base image by slug or number and any other by number, where it is available and fits the size.
func resolveImage(d *state.Document, name, inRegion string, size size) (*state.Image, error) {
	image := imageNamed(d, name)
	if image == nil || image.Status != state.ImageAvailable {
		return nil, invalid("You specified an invalid image for Droplet creation.")
	}

	// a snapshot is in its Droplet's region only, until it is transferred
	if !slices.Contains(image.Regions, inRegion) {
		return nil, invalid("The image is not available in the region %s: transfer it first.", inRegion)
	}

	// a disk never shrinks, so that a snapshot needs one as large as its own
	if size.Disk < image.MinDisk {
		return nil, invalid(
			"This size is not available because it has a smaller disk: the image needs %d GB, %s has %d GB.",
			image.MinDisk,
			size.Slug,
			size.Disk,
		)
	}

	return image, nil
}

func resolveKeys(d *state.Document, names []idOrName) ([]string, error) {
	keys := []string{}
	for _, name := range names {
		i := keyAt(d, string(name))
		if i < 0 {
			return nil, invalid("%s are invalid key identifiers for Droplet creation.", name)
		}

		keys = append(keys, d.Keys[i].PublicKey)
	}

	return keys, nil
}

type linkShape struct {
	ID   int    `json:"id"`
	Rel  string `json:"rel"`
	HREF string `json:"href"`
}

// showCreated shows Droplets as they were when they were created: new, locked and without addresses.
func (s *Server) showCreated(
	r *http.Request,
	body dropletRequest,
	made []state.Droplet,
	actions []state.Action,
) *reply {
	shown, links := []dropletShape{}, []linkShape{}
	for i, droplet := range made {
		shown = append(shown, s.showDroplet(droplet))

		// doctl --wait follows the link of each create action
		links = append(links, linkShape{
			ID:   actions[i].ID,
			Rel:  "create",
			HREF: absolute(r, fmt.Sprintf("/v2/actions/%d", actions[i].ID)),
		})
	}

	answer := map[string]any{"links": map[string]any{"actions": links}}

	// asked for by name, the answer is one Droplet; asked for by names, a list
	if len(body.Names) > 0 {
		answer["droplets"] = shown
	} else {
		answer["droplet"] = shown[0]
	}

	return &reply{
		status: http.StatusAccepted,
		body:   answer,
	}
}
