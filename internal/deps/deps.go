//go:build deps

package deps

import (
	_ "filippo.io/age"
	_ "github.com/ProtonMail/go-crypto/openpgp"
	_ "github.com/canonical/go-dqlite/v2/app"
	_ "github.com/digitalocean/godo"
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/google/nftables"
	_ "github.com/hashicorp/hcl/v2"
	_ "github.com/hashicorp/packer-plugin-sdk/plugin"
	_ "github.com/minio/minio-go/v7"
	_ "github.com/pkg/sftp"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/rclone/gofakes3"
	_ "github.com/spf13/cobra"
	_ "github.com/spf13/pflag"
	_ "github.com/stretchr/testify/require"
	_ "github.com/ulikunitz/xz"
	_ "github.com/vishvananda/netlink"
	_ "github.com/vishvananda/netns"
	_ "github.com/zclconf/go-cty/cty"
	_ "golang.org/x/crypto/ssh"
	_ "golang.org/x/oauth2"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "gopkg.in/yaml.v3"
	_ "modernc.org/sqlite"
	_ "pault.ag/go/debian/version"
)
