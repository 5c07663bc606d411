package fleet

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	neturl "net/url"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"golang.org/x/sync/errgroup"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// pollPause is between two looks at a node that is not healthy yet.
const pollPause = 300 * time.Millisecond

// lookPause is between two looks at whether all Droplets are still there: the API allows 5,000 requests an hour.
const lookPause = 3 * time.Second

// Breakdown is where the time of an Up went, in seconds from its start.
type Breakdown struct {
	Launched float64 // every Droplet has an address
	Peers    float64 // every node is in the peer set
	Galera   float64 // every database node is healthy
	First    float64 // the site answers through the load balancer
	Healthy  float64 // every node is healthy
}

// Up makes what exists equal what the stack says, waits until it serves, and returns the site's URL. It may be
// killed at any moment and run again; run twice, it changes nothing.
func (f *Fleet) Up(ctx context.Context) (string, Breakdown, error) {
	start := time.Now()
	var took Breakdown

	if err := f.checkReserved(ctx); err != nil {
		return "", took, err
	}

	vpc, err := f.ensureVPC(ctx)
	if err != nil {
		return "", took, err
	}

	if err := f.ensureBalancer(ctx, vpc); err != nil {
		return "", took, err
	}

	members, err := f.ensureNodes(ctx, vpc)
	if err != nil {
		return "", took, err
	}

	took.Launched = time.Since(start).Seconds()
	url, err := f.await(ctx, vpc, members, start, &took)

	return url, took, err
}

// ensureNodes launches what is missing until one look finds every node: a Droplet that is being deleted is
// listed for a while, and may be gone at the next look.
func (f *Fleet) ensureNodes(ctx context.Context, vpc string) ([]member, error) {
	for {
		kept, err := f.settle(ctx)
		if err != nil {
			return nil, err
		}

		missing := f.missing(kept)
		if len(missing) == 0 {
			return kept, nil
		}

		if err := f.launchMissing(ctx, vpc, kept, missing); err != nil {
			return nil, err
		}
	}
}

func (f *Fleet) missing(kept []member) []stack.Node {
	return slices.DeleteFunc(f.Stack.All(), func(node stack.Node) bool {
		_, there := find(kept, node.Name)
		return there
	})
}

// renew launches anew whose Droplet is not there any more, and tells whether there was any.
func (f *Fleet) renew(ctx context.Context, vpc string, members []member) ([]member, bool, error) {
	all, err := f.members(ctx)
	if err != nil {
		return members, false, err
	}

	gone := slices.ContainsFunc(members, func(m member) bool {
		return !slices.ContainsFunc(all, func(there member) bool {
			return there.Droplet.ID == m.Droplet.ID
		})
	})
	if gone {
		members, err = f.ensureNodes(ctx, vpc)
	}

	return members, gone, err
}

// settle destroys what is surplus, waits until the others have their addresses, and returns them. Of two who
// launch the same node at once the later sees both, and both keep the same one.
func (f *Fleet) settle(ctx context.Context) ([]member, error) {
	all, err := f.members(ctx)
	if err != nil {
		return nil, err
	}

	kept, surplus := current(all)
	for _, m := range surplus {
		f.say(
			"%s: Droplet %d is surplus (incarnation %d) and is destroyed",
			m.Node,
			m.Droplet.ID,
			m.Incarnation,
		)

		if err := do.DeleteDroplet(ctx, f.Client, m.Droplet.ID, do.WaitOptions{}); err != nil {
			return nil, err
		}
	}

	for i, m := range kept {
		if m.public() != "" && m.private() != "" {
			continue
		}

		// One that was launched a moment ago may be the founder: whoever is launched now must be told its address.
		droplet, err := do.WaitDropletActive(ctx, f.Client, m.Droplet.ID, do.WaitOptions{})
		if err != nil {
			return nil, fmt.Errorf("launch %s: %w", m.Node, err)
		}

		kept[i] = f.member(*droplet)
	}

	return kept, nil
}

// launchMissing launches the founder alone when there is nobody to join, and everybody else at once.
func (f *Fleet) launchMissing(ctx context.Context, vpc string, kept []member, missing []stack.Node) error {
	answers := f.askAll(ctx, kept)
	err := unfounded(answers)
	if err != nil {
		return err
	}

	known := newest(answers)
	join := f.consensus(kept)
	if len(join) == 0 {
		founder := f.founder(missing)
		if founder < 0 {
			return fmt.Errorf(
				"launch %s: the stack has no node of a role that can found a peer set; add a group with role db",
				f.Stack.Name,
			)
		}

		if _, err := f.launch(ctx,
			vpc,
			missing[founder],
			next(known, kept, missing[founder].Name),
			true,
			nil,
		); err != nil {
			return err
		}

		if kept, err = f.settle(ctx); err != nil {
			return err
		}

		join = f.consensus(kept)
		missing = slices.Delete(slices.Clone(missing), founder, founder+1)
	}

	group, ctx := errgroup.WithContext(ctx)

	for _, node := range missing {
		group.Go(func() error {
			_, err := f.launch(ctx, vpc, node, next(known, kept, node.Name), false, join)
			return err
		})
	}

	return group.Wait()
}

// founder picks the first database node, or the first node that joins consensus; -1 when there is none.
func (f *Fleet) founder(missing []stack.Node) int {
	for _, wanted := range []func(stack.Node) bool{
		func(n stack.Node) bool {
			return f.Manifests[n.Role].Driver == "galera"
		},
		func(n stack.Node) bool {
			return f.Manifests[n.Role].Peers == roles.Member
		},
	} {
		if i := slices.IndexFunc(missing, wanted); i >= 0 {
			return i
		}
	}

	return -1
}

// consensus lists the VPC addresses of Droplets that are or will be members of consensus.
func (f *Fleet) consensus(members []member) []string {
	var addresses []string
	for _, m := range members {
		if manifest := f.Manifests[m.Role]; manifest != nil &&
			manifest.Peers == roles.Member &&
			m.private() != "" {
			addresses = append(addresses, m.private())
		}
	}

	return addresses
}

// next is the incarnation after every one that the tags and the peer set know.
func next(known status.PeerSet, members []member, node string) int {
	last := known.Forgotten[node]
	for _, m := range members {
		if m.Node == node {
			last = max(last, m.Incarnation)
		}
	}

	for _, peer := range known.Peers {
		if peer.Name == node {
			last = max(last, peer.Incarnation)
		}
	}

	return last + 1
}

func (f *Fleet) launch(
	ctx context.Context,
	vpc string,
	node stack.Node,
	incarnation int,
	founds bool,
	join []string,
) (member, error) {
	image, err := f.image(ctx, node.Role)
	if err != nil {
		return member{}, err
	}

	document, err := f.Document(node, incarnation, founds, join)
	if err != nil {
		return member{}, err
	}

	data, err := cloudinit.Encode(document)
	if err != nil {
		return member{}, err
	}

	droplet, _, err := f.Client.Droplets.Create(ctx, &godo.DropletCreateRequest{
		Name:     f.Stack.Name + "-" + node.Name,
		Region:   f.Stack.Region,
		Size:     node.Size,
		Image:    godo.DropletCreateImage{ID: image.ID},
		VPCUUID:  vpc,
		UserData: string(data),
		Tags:     f.tags(node, incarnation),
	})
	if err != nil {
		return member{}, fmt.Errorf("create Droplet of %s: %w", node.Name, err)
	}

	f.say("%s: Droplet %d from %s, incarnation %d", node.Name, droplet.ID, image.Name, incarnation)

	if droplet, err = do.WaitDropletActive(ctx,
		f.Client,
		droplet.ID,
		do.WaitOptions{},
	); err != nil {
		return member{}, fmt.Errorf("launch %s: %w", node.Name, err)
	}

	return f.member(*droplet), nil
}

// peerSet asks the nodes for the newest peer set that any of them knows; the zero value when none answers.
func (f *Fleet) peerSet(ctx context.Context, members []member) status.PeerSet {
	return newest(f.askAll(ctx, members))
}

// newest is what the best informed node says: one that sees a quorum before one that is cut off, of these the
// later era, of these the later generation, of these the first by name.
func newest(answers []answer) status.PeerSet {
	var newest status.PeerSet
	for _, said := range answers {
		if said.err == nil &&
			said.status.PeerSet.Founded != "" &&
			(newest.Founded == "" || fresher(said.status.PeerSet, newest)) {
			newest = said.status.PeerSet
		}
	}

	return newest
}

func fresher(one, other status.PeerSet) bool {
	if one.Quorum != other.Quorum {
		return one.Quorum
	}

	return cmp.Or(
		cmp.Compare(one.Era, other.Era),
		cmp.Compare(one.Generation, other.Generation),
	) > 0
}

type answer struct {
	member member
	status status.Status
	err    error
}

// askAll asks every node at once; the answers are in the members' order.
func (f *Fleet) askAll(ctx context.Context, members []member) []answer {
	answers := make([]answer, len(members))
	var group errgroup.Group

	for i, m := range members {
		group.Go(func() error {
			said, err := f.shell.status(ctx, m)
			answers[i] = answer{m, said, err}
			return nil
		})
	}

	_ = group.Wait() // each answer carries its own error

	return answers
}

// await waits until every node is healthy and the site answers, saying what changes. A Droplet that vanishes
// meanwhile, because it was being deleted all along, is launched anew.
func (f *Fleet) await(
	ctx context.Context,
	vpc string,
	members []member,
	start time.Time,
	took *Breakdown,
) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()

	words := map[string]string{}
	var site, waits string
	var marked bool // that the peer set is founded
	looked := time.Now()

	for {
		answers := f.askAll(ctx, members)
		var down error // why the site does not answer
		if took.First == 0 {
			if site, down = f.serves(ctx); down == nil {
				took.First = time.Since(start).Seconds()
				f.say("site: answers at %s after %.1f s", site, took.First)
			}
		}

		if ctx.Err() != nil { // what was asked last tells only that
			return "", fmt.Errorf(
				"wait for the stack to serve: %w after %.0f s%s",
				context.Cause(ctx),
				time.Since(start).Seconds(),
				waits,
			)
		}

		f.tellChanges(words, answers, start)
		note(took, answers, start)

		if err := refused(answers); err != nil {
			return "", err
		}

		if known := newest(answers); known.Founded != "" && !marked {
			if err := f.markFounded(ctx, members, known); err != nil && ctx.Err() == nil {
				return "", err
			}

			marked = true
		}

		if err := unfounded(answers); err != nil {
			return "", err
		}

		done := took.Healthy > 0 && took.First > 0
		if done || time.Since(looked) > lookPause {
			var renewed bool
			var err error
			if members, renewed, err = f.renew(ctx, vpc, members); err != nil && ctx.Err() == nil {
				return "", err
			}
			if renewed {
				took.Galera = 0
				took.Healthy = 0
				done = false
				marked = false
			}

			looked = time.Now()
		}

		if done {
			return site, nil
		}

		waits = waitsFor(answers, down)

		select {
		case <-ctx.Done():
		case <-time.After(pollPause):
		}
	}
}

// ErrRefused means that a node will not have the user-data it was launched with; waiting does not help.
var ErrRefused = errors.New("the node joins nothing")

func refused(answers []answer) error {
	for _, a := range answers {
		if a.err == nil && a.status.Phase == "refused" {
			return fmt.Errorf("wait for %s: %w: %s", a.member.Node, ErrRefused, a.status.Reason)
		}
	}

	return nil
}

// ErrUnfounded means that nobody founds the peer set, and that nobody who is there was ever in one. Waiting
// does not help.
var ErrUnfounded = errors.New("no node founds the peer set: the one that was to was lost before it did. The " +
	"others know only its address; " +
	"they hold nothing of the peer set, so make them anew, too: `hornero destroy`, then `hornero up`")

// unfounded tells that all nodes ask to join a peer set that was never founded.
func unfounded(answers []answer) error {
	for _, a := range answers {
		if a.err != nil || !a.status.Stranger {
			return nil
		}
	}

	if len(answers) == 0 {
		return nil
	}

	return ErrUnfounded
}

// waitsFor lists what is not healthy, a line each.
func waitsFor(answers []answer, down error) string {
	var lines []string
	for _, a := range answers {
		if line := lineOf(a); !line.Healthy {
			lines = append(lines, fmt.Sprintf(
				"\n  %s is %s: %s",
				line.Name,
				line.State,
				line.Reason,
			))
		}
	}

	if down != nil {
		lines = append(lines, "\n  the site: "+down.Error())
	}

	return strings.Join(lines, "")
}

func note(took *Breakdown, answers []answer, start time.Time) {
	now := time.Since(start).Seconds()
	joined, databases, healthy := true, true, true

	for _, a := range answers {
		joined = joined && a.status.PeerSet.Founded != ""
		healthy = healthy && a.status.Healthy
		databases = databases && (a.member.Role != "db" || a.status.Healthy)
	}

	for reached, mark := range map[*float64]bool{
		&took.Peers:   joined,
		&took.Galera:  databases,
		&took.Healthy: healthy,
	} {
		if mark && *reached == 0 {
			*reached = now
		}
	}
}

func (f *Fleet) tellChanges(words map[string]string, answers []answer, start time.Time) {
	for _, a := range answers {
		word := "starting"
		if a.err == nil {
			word = cmp.Or(a.status.State, a.status.Phase)
			if a.status.Healthy {
				word += ", healthy"
			}
			if a.status.Writer {
				word += ", takes the writes"
			}
		}

		if words[a.member.Node] != word {
			words[a.member.Node] = word
			f.say("%5.1f s  %s: %s", time.Since(start).Seconds(), a.member.Node, word)
		}
	}
}

// serves asks the site for its front page through the load balancer.
func (f *Fleet) serves(ctx context.Context) (string, error) {
	url, err := f.url(ctx)
	if err != nil {
		return "", err
	}

	if url == "" {
		return "", errors.New("the load balancer has no address yet")
	}

	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}

	if named, err := neturl.Parse(f.Stack.Site.URL); err == nil && named.Host != "" {
		request.Host = named.Host // else WordPress sends us to the name, which need not point here yet
	}

	// The certificate is the stack's own; whether the page is the site's is what counts here.
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			Proxy:             nil,
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		},
	}

	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", err
	}

	if response.StatusCode != http.StatusOK ||
		!strings.Contains(html.UnescapeString(string(body)), f.Stack.Site.Title) {
		return "", fmt.Errorf("the front page answers %s", response.Status)
	}

	return url, nil
}
