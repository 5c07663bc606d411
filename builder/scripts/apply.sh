#!/bin/sh
# Makes this machine what the recipe in this folder says: packages, files, bake commands, services disabled.
# Lines that start with "== " are shown to the person who bakes; everything else only when something goes wrong.
set -eu
cd "$(dirname "$0")"

say() { echo "== $*"; }
now() { cut -d' ' -f1 /proc/uptime | cut -d. -f1; }
apt() { # what the release's archive needs is in apt-options; with a mirror of its own the bake asks no other
	# shellcheck disable=SC2046 # no option holds a blank
	DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 apt-get -y -qq \
		-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Acquire::Languages=none -o APT::Install-Recommends=false \
		-o APT::Install-Suggests=false -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
		-o Dpkg::Options::=--force-unsafe-io $(sed 's/^/-o /' apt-options) "$@"
}

# The image's own first boot must be over: cloud-init writes apt's configuration, too. Its verdict is not ours.
if command -v cloud-init >/dev/null; then
	timeout 300 cloud-init status --wait >/dev/null 2>&1 ||
		timeout 300 sh -c 'until [ -e /run/cloud-init/result.json ]; do sleep 1; done' || true # 0.7.9 has no status
fi

# On a layer of ours: the agent has no node here to be, and its folders are not to come back while the image is sealed.
systemctl stop hornero-bootstrap.service 2>/dev/null || true

# Nothing may start while packages are installed, and nothing may use apt besides us.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
trap 'rm -f /usr/sbin/policy-rc.d' EXIT
systemctl stop apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service unattended-upgrades.service 2>/dev/null || true

# From here on units are only files: no package's script reloads systemd, one reload at the end does.
export SYSTEMD_OFFLINE=1

if [ -s preferences ]; then
	install -m 0644 preferences /etc/apt/preferences.d/hornero
fi
if [ -s sources.list ]; then
	printf '%s\n' "Dir::Etc::SourceList=$PWD/sources.list" Dir::Etc::SourceParts=/dev/null >>apt-options
fi
begin=$(now)
say "packages: reading lists"
apt -o APT::Update::Error-Mode=any update
say "packages: installing $(wc -l <packages), and what they need"
apt upgrade
xargs -r sh -c 'for p; do dpkg-query -W -f "\${db:Status-Abbrev} \${Package}\n" "$p" 2>/dev/null; done' sh <excluded |
	sed -n 's/^ii *//p' >present
# shellcheck disable=SC2046 # package names hold no blanks
[ ! -s present ] || apt purge $(cat present)
# shellcheck disable=SC2046
apt install $(cat packages)
say "packages: done in $(($(now) - begin)) s"

while read -r number mode owner _ path; do
	mkdir -p "$(dirname "$path")"
	install -m "$mode" -o "${owner%%:*}" -g "${owner##*:}" "files/$number" "$path"
done <files.list
sh code.sh
say "files: $(wc -l <files.list) in place after $(($(now) - begin)) s"

sh -e commands.sh
while read -r unit; do
	systemctl --quiet disable "$unit"
done <units
SYSTEMD_OFFLINE=0 systemctl daemon-reload
say "role: applied in $(($(now) - begin)) s"
