package bootstrap

import (
	"encoding/json"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/certificates"
	"github.com/hornero/hornero/internal/metrics"
)

// toldBy is what programs of a role tell of certificates that renew themselves.
func toldBy(snapshot peerset.Snapshot, role string) map[string]certificates.Told {
	var all map[string]certificates.Told

	for name, text := range keptBy(snapshot, role) {
		name, tells := strings.CutPrefix(name, certificates.ToldPrefix)
		if !tells {
			continue
		}

		var told certificates.Told

		// What a program of another version says may be no certificate's.
		if err := json.Unmarshal([]byte(text), &told); err != nil {
			continue
		}

		if all == nil {
			all = map[string]certificates.Told{}
		}

		all[name] = told
	}

	return all
}

func (a *Agent) registerCertificates(m *metrics.Registry) {
	m.Read("hornero_site_certificate_expiry_timestamp_seconds",
		"When a site's certificate that renews itself ends, in seconds since 1970; 0 while there is none.",
		[]string{"certificate"},
		func(set setter) {
			for name, told := range a.Status().Certificates {
				end := 0.0
				if !told.Ends.IsZero() {
					end = float64(told.Ends.Unix())
				}

				set(end, name)
			}
		})

	m.Read("hornero_site_certificate_alarm",
		"1 while somebody must look after a site's certificate that renews itself.",
		[]string{"certificate"},
		func(set setter) {
			for name, told := range a.Status().Certificates {
				set(oneIf(told.Alarm != ""), name)
			}
		})
}
