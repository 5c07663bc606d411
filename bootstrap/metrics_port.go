package bootstrap

import (
	"context"
	"crypto/tls"
	"net/http"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/internal/limit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

// serveMetricsPort answers scrapers that show a certificate for it, on the VPC address.
func (a *Agent) serveMetricsPort(ctx context.Context) error {
	config, err := pki.ReaderTLS(a.node.TLS.CA, a.pair(), a.node.Stack)
	if err != nil {
		return err
	}

	listener := a.listen(ctx, roles.MetricsPort, a.address)
	if listener == nil {
		return nil
	}

	limited := limit.New(listener, checkLimits, api.TooManyAt("the metrics port", a.recordRefusal))
	guarded := pki.Guard(config, api.RefusalAt("the metrics port", a.recordRefusal))

	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", a.serveMetrics)

	return serveChecked(ctx, mux, tls.NewListener(limited, guarded))
}
