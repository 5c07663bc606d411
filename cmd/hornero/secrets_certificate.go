package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

const certificateHelp = `Writes three files into a folder, for Prometheus or another scraper:

  ca.pem             the stack's authorities
  metrics.pem        a certificate that reads the metrics of all nodes, and opens no other port
  metrics.key        its key

The certificate lasts a year at most; run the command again for another. It ends with the stack's authority, too: after
"hornero secrets rotate ca" make another before "hornero secrets retire ca". docs/monitoring.md shows a scrape.`

func secretsCertificateCommand(with func(secretsWork) runE) *cobra.Command {
	return &cobra.Command{
		Use:   "certificate FOLDER",
		Short: "write a certificate with which a scraper reads the nodes' metrics",
		Long:  certificateHelp,
		Args:  cobra.ExactArgs(1),
		RunE: with(func(cmd *cobra.Command, secrets openedSecrets, args []string) error {
			authority, err := secrets.Authority(stack.StackAuthority)
			if err != nil {
				return err
			}

			pair, err := authority.Issuing.IssueReader(secrets.stack.Name, "metrics")
			if err != nil {
				return err
			}

			if err := writeCertificate(args[0], authority.Bundle(), pair); err != nil {
				return err
			}

			fmt.Fprintf(
				cmd.ErrOrStderr(),
				"ca.pem, metrics.pem and metrics.key are in %s; scrape https://NODE:%d/metrics with them, "+
					"server name %s\n",
				args[0],
				roles.MetricsPort,
				pki.AnyNode,
			)

			return nil
		}),
	}
}

// writeCertificate writes the key first: a certificate without it is of no use.
func writeCertificate(folder, authorities string, pair pki.Pair) error {
	for _, part := range []struct {
		name string
		text string
	}{
		{"metrics.key", pair.Key.Reveal()},
		{"metrics.pem", pair.Certificate},
		{"ca.pem", authorities},
	} {
		if _, err := file.Write(filepath.Join(folder, part.name), []byte(part.text), file.Options{}); err != nil {
			return err
		}
	}

	return nil
}
