#!/bin/bash
# Bake one role's image with no Droplet, by Packer and as root: ROLE=common, RELEASE=debian-13 by default. With -var
# space_name=NAME it is imported, into the lab or, with CLOUD=digitalocean, into DigitalOcean.
set -euo pipefail
cloud=${CLOUD:-lab}
export PACKER_PLUGIN_PATH=$PWD/.cache/plugins PACKER_CONFIG_DIR=$PWD/.cache/packer.d CHECKPOINT_DISABLE=1
if [ "$cloud" = lab ] && bin/hornero lab env ${LAB:+--name "$LAB"} >/dev/null 2>&1; then
	eval "$(bin/hornero lab env ${LAB:+--name "$LAB"})" # for an import; without one nobody asks the API
fi
if ! [ .cache/plugin.installed -nt bin/packer-plugin-hornero ] || ! [ -d "$PACKER_PLUGIN_PATH" ]; then
	.cache/packer plugins install --path bin/packer-plugin-hornero github.com/hornero/hornero >.cache/plugin.log 2>&1 || { cat .cache/plugin.log >&2; exit 1; }
	touch .cache/plugin.installed
fi
.cache/packer build -color=false -on-error=cleanup -var "role=${ROLE:-common}" -var "release=${RELEASE:-debian-13}" "$@" images/rootfs
