package lab

import (
	"net"
	"strconv"

	"github.com/hornero/hornero/lab/spaces"
)

// SpacesURLs is where each region's Spaces are reached: S3 endpoints, to be used with the bucket in the path.
type SpacesURLs struct {
	FromHost     map[string]string `json:"spaces_url"`
	FromDroplets map[string]string `json:"spaces_droplet_url"`
}

func noSpaces() SpacesURLs {
	return SpacesURLs{
		FromHost:     map[string]string{},
		FromDroplets: map[string]string{},
	}
}

// startSpaces serves each region's Spaces on loopback, and at the lab's gateway for Droplets. A port on
// loopback stays what it was before: clients and signed URLs remember it.
func (l *lab) startSpaces() error {
	served, err := spaces.Open(spaces.Config{
		Folder: l.folder.spaces(),
		Keys:   l.spacesKey,
		Logger: l.logger,
	})
	if err != nil {
		return err
	}

	kept := map[string]string{}
	l.spaces = noSpaces()
	for i, region := range spaces.Regions() {
		handler := served.Handler(region)
		address := l.settings.Spaces[region]
		if address == "" {
			address = "127.0.0.1:0"
		}

		listener, err := l.listenAt(address)
		if err != nil {
			return err
		}

		l.services.serveOn(listener, handler, l.logger)

		inside := net.JoinHostPort(l.host.Gateway().String(), strconv.Itoa(spaces.FirstPort+i))

		if err := l.services.serve(l.host, inside, handler, l.logger); err != nil {
			return err
		}

		// clients and signed URLs hold the port, so that the next start asks for it again
		kept[region] = listener.Addr().String()
		l.spaces.FromHost[region], l.spaces.FromDroplets[region] = "http://"+kept[region], "http://"+inside
	}

	l.settings.Spaces = kept

	return nil
}

// spacesKey finds a key that the API made and did not delete.
func (l *lab) spacesKey(access string) (spaces.Key, bool) {
	found := l.store.View().SpacesKey(access)
	if found == nil {
		return spaces.Key{}, false
	}

	key := spaces.Key{Secret: found.Secret}

	for _, grant := range found.Grants {
		key.Grants = append(key.Grants, spaces.Grant(grant))
	}

	return key, true
}
