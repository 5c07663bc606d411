# Sourced by what bakes: where Packer finds our plugin, and which cloud it bakes in (CLOUD). The lab is LAB, or that of
# the folder of STACK (stack.yaml). The plugin is installed when it is newer than the one that is there.
export PACKER_PLUGIN_PATH=$PWD/.cache/plugins PACKER_CONFIG_DIR=$PWD/.cache/packer.d CHECKPOINT_DISABLE=1
cloud=${CLOUD:-lab}
if [ "$cloud" = lab ]; then
	unset DIGITALOCEAN_ACCESS_TOKEN DIGITALOCEAN_TOKEN DIGITALOCEAN_API_URL # what is meant for the lab never reaches an account
	eval "$(bin/hornero -f "${STACK:-stack.yaml}" lab env)"                 # those of the lab; when it does not run, it says so
fi
if ! [ .cache/plugin.installed -nt bin/packer-plugin-hornero ] || ! [ -d "$PACKER_PLUGIN_PATH" ]; then
	.cache/packer plugins install --path bin/packer-plugin-hornero github.com/hornero/hornero >.cache/plugin.log 2>&1 || { cat .cache/plugin.log >&2; exit 1; }
	touch .cache/plugin.installed
fi
