package api_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

func publicKey(t *testing.T) string {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)

	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)

	return string(ssh.MarshalAuthorizedKey(key))
}

func TestKeys(t *testing.T) {
	w := newWorld(t)
	text := publicKey(t)
	key, answer, err := w.client.Keys.Create(t.Context(), &godo.KeyCreateRequest{Name: "me", PublicKey: text})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Len(t, key.Fingerprint, 47)

	_, _, err = w.client.Keys.Create(t.Context(), &godo.KeyCreateRequest{Name: "again", PublicKey: text})
	refused(t, err, 422, "already in use")

	_, _, err = w.client.Keys.Create(t.Context(), &godo.KeyCreateRequest{Name: "bad", PublicKey: "rubbish"})
	refused(t, err, 422, "Key invalid")

	byID, _, err := w.client.Keys.GetByID(t.Context(), key.ID)
	require.NoError(t, err)

	byFingerprint, _, err := w.client.Keys.GetByFingerprint(t.Context(), key.Fingerprint)
	require.NoError(t, err)
	require.Equal(t, byID, byFingerprint)

	renamed, _, err := w.client.Keys.UpdateByFingerprint(
		t.Context(),
		key.Fingerprint,
		&godo.KeyUpdateRequest{Name: "you"},
	)
	require.NoError(t, err)
	require.Equal(t, "you", renamed.Name)

	keys, _, err := w.client.Keys.List(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, keys, 1)

	_, err = w.client.Keys.DeleteByID(t.Context(), key.ID)
	require.NoError(t, err)

	_, err = w.client.Keys.DeleteByFingerprint(t.Context(), key.Fingerprint)
	refused(t, err, 404, "could not be found")
}

func TestCatalogue(t *testing.T) {
	w := newWorld(t)
	account, _, err := w.client.Account.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, "active", account.Status)
	require.NotNil(t, account.Team)

	regions, _, err := w.client.Regions.List(t.Context(), &godo.ListOptions{PerPage: 200})
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(regions, func(r godo.Region) bool {
		return r.Slug == "nyc3" && r.Available && len(r.Sizes) > 0
	}))

	sizes, _, err := w.client.Sizes.List(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(sizes, func(s godo.Size) bool {
		return s.Slug == "s-1vcpu-1gb" && s.Memory == 1024 && s.PriceMonthly > 0
	}))

	images, _, err := w.client.Images.ListDistribution(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, images, 2)

	image, _, err := w.client.Images.GetBySlug(t.Context(), "debian-12-x64")
	require.NoError(t, err)
	require.Equal(t, "debian-12-x64", image.Slug)

	_, err = w.client.Images.Delete(t.Context(), image.ID)
	refused(t, err, 403, "")

	applications, _, err := w.client.Images.ListApplication(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, applications)
}

func TestSnapshotIsImageAndSnapshot(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("source"))
	action, _, err := w.client.DropletActions.Snapshot(t.Context(), droplet.ID, "baked")
	require.NoError(t, err)
	require.Equal(t, "snapshot", action.Type)

	action = w.done(action)
	require.Equal(t, godo.ActionCompleted, action.Status)

	ofDroplet, _, err := w.client.Droplets.Snapshots(t.Context(), droplet.ID, nil)
	require.NoError(t, err)
	require.Len(t, ofDroplet, 1)

	image := ofDroplet[0]
	require.Equal(t, "baked", image.Name)
	require.Equal(t, "snapshot", image.Type)
	require.False(t, image.Public)
	require.Equal(t, action.StartedAt.Format(time.RFC3339), image.Created)
	require.Equal(t, 25, image.MinDiskSize)
	require.InDelta(t, 1.24, image.SizeGigaBytes, 0.02)

	require.Equal(t,
		[]int{image.ID},
		w.active(droplet.ID).SnapshotIDs,
	)

	snapshot, _, err := w.client.Snapshots.Get(t.Context(), strconv.Itoa(image.ID))
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(droplet.ID), snapshot.ResourceID)

	private, _, err := w.client.Images.ListUser(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, private, 1)

	renamed, _, err := w.client.Images.Update(
		t.Context(),
		image.ID,
		&godo.ImageUpdateRequest{Name: "renamed"},
	)
	require.NoError(t, err)
	require.Equal(t, "renamed", renamed.Name)

	_, _, err = w.client.Tags.Create(t.Context(), &godo.TagCreateRequest{Name: "hornero:role:db"})
	require.NoError(t, err)

	_, err = w.client.Tags.TagResources(
		t.Context(),
		"hornero:role:db",
		&godo.TagResourcesRequest{Resources: []godo.Resource{{
			ID:   strconv.Itoa(image.ID),
			Type: godo.ImageResourceType,
		}}},
	)
	require.NoError(t, err)

	tagged, _, err := w.client.Images.ListByTag(t.Context(), "hornero:role:db", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"hornero:role:db"}, tagged[0].Tags)

	// The snapshot outlives its Droplet, and its files outlive it while a Droplet stands on them.
	_, err = w.client.Droplets.Delete(t.Context(), droplet.ID)
	require.NoError(t, err)

	from := request("from-snapshot")
	from.Image = godo.DropletCreateImage{ID: image.ID}
	copied := w.create(from)
	root := w.machines.machine(copied.ID).Root
	_, err = w.client.Snapshots.Delete(t.Context(), snapshot.ID)
	require.NoError(t, err)

	_, _, err = w.client.Images.GetByID(t.Context(), image.ID)
	refused(t, err, 404, "")
	w.machines.mutex.Lock()
	require.True(t, w.machines.images[root])
	w.machines.mutex.Unlock()

	_, err = w.client.Droplets.Delete(t.Context(), copied.ID)
	require.NoError(t, err)

	w.eventually("files of the snapshot gone", func() bool {
		w.machines.mutex.Lock()
		defer w.machines.mutex.Unlock()
		return !w.machines.images[root]
	})
}

func TestSnapshotStaysInItsRegionUntilTransferred(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("source"))
	action, _, err := w.client.DropletActions.Snapshot(t.Context(), droplet.ID, "baked")
	require.NoError(t, err)
	w.done(action)

	id := w.active(droplet.ID).SnapshotIDs[0]
	elsewhere := request("elsewhere")
	elsewhere.Region = "fra1"
	elsewhere.Image = godo.DropletCreateImage{ID: id}
	_, _, err = w.client.Droplets.Create(t.Context(), elsewhere)
	refused(t, err, 422, "not available in the region")

	action, _, err = w.client.ImageActions.Transfer(
		t.Context(),
		id,
		&godo.ActionRequest{"type": "transfer", "region": "fra1"},
	)
	require.NoError(t, err)
	w.done(action)
	w.create(elsewhere)
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	tagged := request("one")
	tagged.Tags = []string{"Hornero", "hornero:demo", "hornero"}
	droplet := w.create(tagged)
	require.Equal(t, []string{"Hornero", "hornero:demo"}, droplet.Tags)
	w.create(request("two"))

	found, _, err := w.client.Droplets.ListByTag(t.Context(), "HORNERO", nil)
	require.NoError(t, err)
	require.Len(t, found, 1)

	tag, answer, err := w.client.Tags.Create(t.Context(), &godo.TagCreateRequest{Name: "hornero"})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Equal(t, "Hornero", tag.Name)
	require.Equal(t, 1, tag.Resources.Droplets.Count)

	_, _, err = w.client.Tags.Create(t.Context(), &godo.TagCreateRequest{Name: "with space"})
	refused(t, err, 422, "no tag")

	_, err = w.client.Tags.TagResources(
		t.Context(),
		"nothing",
		&godo.TagResourcesRequest{Resources: []godo.Resource{{ID: "1", Type: "droplet"}}},
	)
	refused(t, err, 404, "")

	_, err = w.client.Tags.UntagResources(
		t.Context(),
		"hornero",
		&godo.UntagResourcesRequest{Resources: []godo.Resource{{
			ID:   strconv.Itoa(droplet.ID),
			Type: godo.DropletResourceType,
		}}},
	)
	require.NoError(t, err)

	require.Equal(t,
		[]string{"hornero:demo"},
		w.active(droplet.ID).Tags,
	)

	_, err = w.client.Tags.Delete(t.Context(), "hornero:demo")
	require.NoError(t, err)
	require.Empty(t, w.active(droplet.ID).Tags)

	_, _, err = w.client.Tags.Get(t.Context(), "hornero:demo")
	refused(t, err, 404, "")
}

func TestVPCs(t *testing.T) {
	w := newWorld(t)
	all, _, err := w.client.VPCs.List(t.Context(), &godo.ListOptions{PerPage: 200})
	require.NoError(t, err)

	i := slices.IndexFunc(all, func(v *godo.VPC) bool {
		return v.RegionSlug == "nyc3" && v.Default
	})
	require.GreaterOrEqual(t, i, 0)

	_, err = w.client.VPCs.Delete(t.Context(), all[i].ID)
	refused(t, err, 403, "default")

	vpc, _, err := w.client.VPCs.Create(t.Context(), &godo.VPCCreateRequest{
		Name:       "demo",
		RegionSlug: "nyc3",
		IPRange:    "10.9.0.0/24",
	})
	require.NoError(t, err)
	require.Equal(t, "do:vpc:"+vpc.ID, vpc.URN)

	_, _, err = w.client.VPCs.Create(t.Context(), &godo.VPCCreateRequest{Name: "demo", RegionSlug: "nyc3"})
	refused(t, err, 422, "unique")

	_, _, err = w.client.VPCs.Create(t.Context(), &godo.VPCCreateRequest{
		Name:       "demo-2",
		RegionSlug: "nyc3",
		IPRange:    "10.9.0.128/25",
	})
	refused(t, err, 422, "overlaps")

	free, _, err := w.client.VPCs.Create(t.Context(), &godo.VPCCreateRequest{Name: "demo-3", RegionSlug: "nyc3"})
	require.NoError(t, err)
	require.NotEmpty(t, free.IPRange)

	set, _, err := w.client.VPCs.Set(t.Context(), vpc.ID, godo.VPCSetName("renamed"))
	require.NoError(t, err)
	require.Equal(t, "renamed", set.Name)

	inside := request("inside")
	inside.VPCUUID = vpc.ID
	droplet := w.create(inside)
	private, err := droplet.PrivateIPv4()
	require.NoError(t, err)
	require.Regexp(t, `^10\.9\.0\.\d+$`, private)

	members, _, err := w.client.VPCs.ListMembers(t.Context(), vpc.ID, nil, nil)
	require.NoError(t, err)

	require.Equal(t,
		"do:droplet:"+strconv.Itoa(droplet.ID),
		members[0].URN,
	)

	_, err = w.client.VPCs.Delete(t.Context(), vpc.ID)
	refused(t, err, 403, "members")

	inside.Region = "fra1"
	_, _, err = w.client.Droplets.Create(t.Context(), inside)
	refused(t, err, 422, "VPC")

	_, err = w.client.Droplets.Delete(t.Context(), droplet.ID)
	require.NoError(t, err)

	w.eventually("VPC without members deleted", func() bool {
		_, err := w.client.VPCs.Delete(t.Context(), vpc.ID)
		return err == nil
	})
}

func certificate(t *testing.T, name string) *godo.CertificateRequest {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)

	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name},
		NotAfter:     time.Now().Add(time.Hour),
	}

	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)

	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)

	return &godo.CertificateRequest{
		Name:            name,
		Type:            "custom",
		LeafCertificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		PrivateKey:      string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}
}

func TestCertificates(t *testing.T) {
	w := newWorld(t)
	made, _, err := w.client.Certificates.Create(t.Context(), certificate(t, "demo.example"))
	require.NoError(t, err)
	require.Equal(t, "verified", made.State)
	require.Len(t, made.SHA1Fingerprint, 40)

	wrong := certificate(t, "wrong.example")
	wrong.PrivateKey = certificate(t, "other.example").PrivateKey
	_, _, err = w.client.Certificates.Create(t.Context(), wrong)
	refused(t, err, 422, "do not fit")

	named, _, err := w.client.Certificates.ListByName(t.Context(), "demo.example", nil)
	require.NoError(t, err)
	require.Len(t, named, 1)

	balancer, _, err := w.client.LoadBalancers.Create(t.Context(), &godo.LoadBalancerRequest{
		Name:   "lb",
		Region: "nyc3",
		ForwardingRules: []godo.ForwardingRule{{
			EntryProtocol:  "https",
			EntryPort:      443,
			TargetProtocol: "http",
			TargetPort:     80,
			CertificateID:  made.ID,
		}},
	})
	require.NoError(t, err)

	_, err = w.client.Certificates.Delete(t.Context(), made.ID)
	refused(t, err, 403, "Make sure the certificate is not in use before deleting it")

	_, err = w.client.LoadBalancers.Delete(t.Context(), balancer.ID)
	require.NoError(t, err)

	_, err = w.client.Certificates.Delete(t.Context(), made.ID)
	require.NoError(t, err)

	_, _, err = w.client.Certificates.Get(t.Context(), made.ID)
	refused(t, err, 404, "")
}

func balancerRequest() *godo.LoadBalancerRequest {
	return &godo.LoadBalancerRequest{
		Name:   "demo",
		Region: "nyc3",
		Tag:    "web",
		ForwardingRules: []godo.ForwardingRule{{
			EntryProtocol:  "http",
			EntryPort:      80,
			TargetProtocol: "http",
			TargetPort:     80,
		}},
	}
}

func TestLoadBalancerFollowsItsTag(t *testing.T) {
	w := newWorld(t)
	balancer, answer, err := w.client.LoadBalancers.Create(t.Context(), balancerRequest())
	require.NoError(t, err)
	require.Equal(t, 202, answer.StatusCode)
	require.Equal(t, "new", balancer.Status)
	require.Empty(t, balancer.IP)
	require.Equal(t, "nyc3", balancer.Region.Slug)
	require.Equal(t, "none", balancer.StickySessions.Type)

	require.Equal(t,
		&godo.HealthCheck{
			Protocol:               "http",
			Port:                   80,
			Path:                   "/",
			CheckIntervalSeconds:   10,
			ResponseTimeoutSeconds: 5,
			HealthyThreshold:       3,
			UnhealthyThreshold:     5,
		},
		balancer.HealthCheck,
	)

	w.eventually("active with an address", func() bool {
		got, _, err := w.client.LoadBalancers.Get(t.Context(), balancer.ID)
		require.NoError(t, err)
		balancer = got

		return got.Status == "active" && got.IP != ""
	})

	tagged := request("web-1")
	tagged.Tags = []string{"web"}
	first := w.create(tagged)
	tagged.Name = "web-2"
	second := w.create(tagged)
	w.eventually("both Droplets are targets", func() bool {
		return slices.Equal(w.balancers.targets(balancer.ID), []int{first.ID, second.ID})
	})

	_, err = w.client.Tags.UntagResources(
		t.Context(),
		"web",
		&godo.UntagResourcesRequest{Resources: []godo.Resource{{
			ID:   strconv.Itoa(first.ID),
			Type: godo.DropletResourceType,
		}}},
	)
	require.NoError(t, err)

	_, err = w.client.Droplets.DeleteByTag(t.Context(), "web")
	require.NoError(t, err)
	w.eventually("no targets left", func() bool {
		return len(w.balancers.targets(balancer.ID)) == 0
	})

	got, _, err := w.client.LoadBalancers.Get(t.Context(), balancer.ID)
	require.NoError(t, err)
	require.Empty(t, got.DropletIDs)
	w.active(first.ID)

	status, body, _ := w.raw("GET", "/lab/v1/published?ip="+balancer.IP, "")
	require.Equal(t, 200, status)
	require.Equal(t, "127.100.0.10", body["published"])

	_, err = w.client.LoadBalancers.Delete(t.Context(), balancer.ID)
	require.NoError(t, err)
	w.eventually("not run any more", func() bool {
		return len(w.balancers.ids()) == 0
	})

	status, _, _ = w.raw("GET", "/lab/v1/published?ip="+balancer.IP, "")
	require.Equal(t, 404, status)
}

func TestLoadBalancerUpdateReplaces(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("web-1"))
	ask := balancerRequest()
	ask.Tag = ""
	ask.DropletIDs = []int{droplet.ID}

	ask.StickySessions = &godo.StickySessions{
		Type:             "cookies",
		CookieName:       "node",
		CookieTtlSeconds: 60,
	}

	balancer, _, err := w.client.LoadBalancers.Create(t.Context(), ask)
	require.NoError(t, err)
	require.Equal(t, "cookies", balancer.StickySessions.Type)

	ask.StickySessions = nil
	updated, _, err := w.client.LoadBalancers.Update(t.Context(), balancer.ID, ask)
	require.NoError(t, err)
	require.Equal(t, "none", updated.StickySessions.Type)

	ask.ForwardingRules = nil
	_, _, err = w.client.LoadBalancers.Update(t.Context(), balancer.ID, ask)
	refused(t, err, 422, "forwarding rule")

	_, err = w.client.LoadBalancers.RemoveDroplets(t.Context(), balancer.ID, droplet.ID)
	require.NoError(t, err)

	_, err = w.client.LoadBalancers.AddDroplets(t.Context(), balancer.ID, droplet.ID)
	require.NoError(t, err)

	_, err = w.client.LoadBalancers.AddDroplets(t.Context(), balancer.ID, 1)
	refused(t, err, 422, "no Droplet 1")

	rule := godo.ForwardingRule{
		EntryProtocol:  "tcp",
		EntryPort:      3306,
		TargetProtocol: "tcp",
		TargetPort:     3306,
	}

	_, err = w.client.LoadBalancers.AddForwardingRules(t.Context(), balancer.ID, rule)
	require.NoError(t, err)

	_, err = w.client.LoadBalancers.AddForwardingRules(t.Context(), balancer.ID, rule)
	refused(t, err, 422, "two forwarding rules")

	_, err = w.client.LoadBalancers.RemoveForwardingRules(t.Context(), balancer.ID, rule)
	require.NoError(t, err)
	w.eventually("targets applied", func() bool {
		return slices.Equal(w.balancers.targets(balancer.ID), []int{droplet.ID})
	})
}

func TestLoadBalancerRefusals(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change  func(*godo.LoadBalancerRequest)
		message string
	}{
		"both": {
			change: func(r *godo.LoadBalancerRequest) {
				r.DropletIDs = []int{1}
			},
			message: "can't both be given",
		},
		"region": {
			change:  func(r *godo.LoadBalancerRequest) { r.Region = "mars" },
			message: "region",
		},
		"no key": {
			change: func(r *godo.LoadBalancerRequest) {
				r.ForwardingRules[0].EntryProtocol = "https"
			},
			message: "certificate_id",
		},
		"unknown key": {
			change: func(r *godo.LoadBalancerRequest) {
				r.ForwardingRules[0].CertificateID = "x"
			},
			message: "no certificate",
		},
		"port": {
			change: func(r *godo.LoadBalancerRequest) {
				r.ForwardingRules[0].EntryPort = 70000
			},
			message: "ports",
		},
		"protocol": {
			change: func(r *godo.LoadBalancerRequest) {
				r.ForwardingRules[0].EntryProtocol = "gopher"
			},
			message: "protocols",
		},
		"name": {
			change:  func(r *godo.LoadBalancerRequest) { r.Name = "a b" },
			message: "name",
		},
		"path": {
			change: func(r *godo.LoadBalancerRequest) {
				r.HealthCheck = &godo.HealthCheck{Path: "no-slash"}
			},
			message: "health_check.path",
		},
		"path line": {
			change: func(r *godo.LoadBalancerRequest) {
				r.HealthCheck = &godo.HealthCheck{Path: "/x\nbind :1"}
			},
			message: "health_check.path",
		},
	} {
		ask := balancerRequest()
		c.change(ask)

		_, _, err := w.client.LoadBalancers.Create(t.Context(), ask)
		refused(t, err, 422, c.message)

		_ = name
	}

	w.balancers.broken = errBroken
	made, _, err := w.client.LoadBalancers.Create(t.Context(), balancerRequest())
	require.NoError(t, err)

	w.eventually("errored", func() bool {
		got, _, err := w.client.LoadBalancers.Get(t.Context(), made.ID)
		require.NoError(t, err)
		return got.Status == "errored"
	})
}
