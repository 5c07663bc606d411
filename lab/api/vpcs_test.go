package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestVPCs(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()

	all, _, err := w.VPCs.List(ctx, &godo.ListOptions{PerPage: 200})
	require.NoError(t, err)

	i := slices.IndexFunc(all, func(v *godo.VPC) bool {
		return v.RegionSlug == "nyc3" && v.Default
	})
	require.GreaterOrEqual(t, i, 0)

	_, err = w.VPCs.Delete(ctx, all[i].ID)
	refused(t, err, 403, "default")

	vpc := w.vpc("demo", "10.9.0.0/24")
	require.Equal(t, "do:vpc:"+vpc.ID, vpc.URN)

	for why, ask := range map[string]*godo.VPCCreateRequest{
		"unique": {
			Name:       "demo",
			RegionSlug: "nyc3",
		},
		"overlaps": {
			Name:       "demo-2",
			RegionSlug: "nyc3",
			IPRange:    "10.9.0.128/25",
		},
	} {
		_, _, err = w.VPCs.Create(ctx, ask)
		refused(t, err, 422, why)
	}

	free := w.vpc("demo-3", "")
	require.NotEmpty(t, free.IPRange)

	set, _, err := w.VPCs.Set(
		ctx,
		vpc.ID,
		godo.VPCSetName("renamed"),
	)
	require.NoError(t, err)
	require.Equal(t, "renamed", set.Name)
}

func TestMembersOfAVPC(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	vpc := w.vpc("demo", "10.9.0.0/24")

	inside := request("inside")
	inside.VPCUUID = vpc.ID
	droplet := w.create(inside)

	private, err := droplet.PrivateIPv4()
	require.NoError(t, err)
	require.Regexp(t, `^10\.9\.0\.\d+$`, private)

	members, _, err := w.VPCs.ListMembers(ctx, vpc.ID, nil, nil)
	require.NoError(t, err)
	require.Equal(t, "do:droplet:"+itoa(droplet.ID), members[0].URN)

	_, err = w.VPCs.Delete(ctx, vpc.ID)
	refused(t, err, 403, "members")

	inside.Region = "fra1"
	_, _, err = w.Droplets.Create(ctx, inside)
	refused(t, err, 422, "VPC")

	w.destroy(droplet.ID)

	w.eventually("VPC without members deleted", func() bool {
		_, err := w.VPCs.Delete(ctx, vpc.ID)
		return err == nil
	})
}

// A stack's lock is kept in the description, and ends by the clock of the header Date.
func TestADescriptionIsChangedAlone(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()

	vpc, _, err := w.VPCs.Create(ctx, &godo.VPCCreateRequest{
		Name:        "shop",
		RegionSlug:  "fra1",
		Description: "first",
	})
	require.NoError(t, err)
	require.Equal(t, "first", vpc.Description)

	longest := strings.Repeat("ü", 255)
	_, _, err = w.VPCs.Set(ctx, vpc.ID, godo.VPCSetDescription(longest))
	require.NoError(t, err)

	_, _, err = w.VPCs.Set(ctx, vpc.ID, godo.VPCSetDescription(longest+"."))
	require.ErrorContains(t, err, "description is too long")

	_, _, err = w.VPCs.Create(ctx, &godo.VPCCreateRequest{
		Name:        "other",
		RegionSlug:  "fra1",
		Description: longest + ".",
	})
	require.ErrorContains(t, err, "description is too long")

	found, response, err := w.VPCs.Get(ctx, vpc.ID)
	require.NoError(t, err)
	require.Equal(t, longest, found.Description)
	require.Equal(t, "shop", found.Name)

	_, err = http.ParseTime(response.Header.Get("Date"))
	require.NoError(t, err)
}
