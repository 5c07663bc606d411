#!/bin/sh
# The sealed image tests itself. Every fault is told in one run, each with what to do; an image with a fault is not
# published.
set -u
cd "$(dirname "$0")" || exit 1

faults=0
fault() {
	echo "fault: $1: $2"
	faults=$((faults + 1))
}
# absent WHAT ADVICE PATH...: none of the paths may be there.
absent() {
	what=$1 advice=$2
	shift 2
	for path; do
		if [ -e "$path" ] || [ -L "$path" ]; then fault "$what $path is in the image" "$advice"; fi
	done
}
# empty WHAT ADVICE FOLDER: it may not be there, or have nothing in it.
empty() {
	if [ -n "$(ls -A "$3" 2>/dev/null)" ]; then fault "$1 in $3: $(ls -A "$3" | head -3 | tr '\n' ' ')" "$2"; fi
}

seal="it came back after sealing: find the service that wrote it and stop it in a bake command"
remove="remove it in the role's last bake command"

absent "SSH host key" "$seal" /etc/ssh/ssh_host_*
for keys in $(find /root /home /etc/ssh -name 'authorized_keys*' 2>/dev/null); do
	fault "authorized keys $keys are in the image" "$remove"
done
[ -f /etc/machine-id ] && [ ! -s /etc/machine-id ] || fault "/etc/machine-id holds an identity or is absent" "leave it empty"
[ -L /var/lib/dbus/machine-id ] || absent "machine id" "$seal" /var/lib/dbus/machine-id
absent "seed" "$seal" /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
absent "node document" "nothing of a node belongs into an image" /etc/hornero/node.yaml /etc/hornero/pki /var/lib/hornero
absent "bake-time file" "$remove" /usr/sbin/policy-rc.d /root/.bash_history
empty "cloud-init state" "$seal" /var/lib/cloud
for list in $(find /var/lib/apt/lists /var/cache/apt/archives -type f ! -name lock 2>/dev/null | head -3); do
	fault "package list or archive $list is in the image" "$seal"
done
for log in $(find /var/log -type f | head -3); do fault "log $log is in the image" "$seal"; done
for file in $(grep -rilE '^[^/#]*Proxy' /etc/apt/apt.conf /etc/apt/apt.conf.d 2>/dev/null); do
	fault "apt proxy in $file" "it works on the bake's machine only: $remove"
done
for file in $(find /etc /root /home /opt /srv /var/lib -xdev -type f -size -64k -exec grep -lE -e '-----BEGIN [A-Z ]*PRIVATE KEY-----' {} + 2>/dev/null); do
	fault "private key in $file" "every Droplet would share it: $remove"
done
for file in $(awk -F: '$2 !~ /^[*!]/ && $2 != "" {print $1}' /etc/shadow); do
	fault "user $file has a password" "lock it with passwd -l in a bake command"
done
[ -s /usr/lib/hornero/image.json ] || fault "/usr/lib/hornero/image.json is absent" "do not remove /usr/lib/hornero"

audit=$(dpkg --audit)
[ -z "$audit" ] || fault "packages half installed: $audit" "read the package's messages above"
while read -r package; do
	case $(dpkg-query -W -f '${db:Status-Abbrev}' "${package%%=*}" 2>/dev/null) in
	ii*) ;;
	*) fault "package $package is not installed" "name the package that provides it, for this release" ;;
	esac
done <packages
while read -r package; do
	case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
	ii*) fault "package $package is installed though excluded" "something needs it: take it off the list, or find another provider" ;;
	esac
done <excluded

while read -r _ mode owner sum path; do
	set -- $(sha256sum "$path" 2>/dev/null)
	[ "${1:-}" = "$sum" ] || fault "$path is not as the role has it" "a bake command or a package changed it"
	have=$(stat -c '0%a %U:%G' "$path" 2>/dev/null)
	[ "0${mode#0} $owner" = "$have" ] || fault "$path has mode and owner $have, not $mode $owner" "a bake command changed them"
done <files.list

for unit in hornero-bootstrap.service hornero-metadata-guard.service ssh.service; do
	[ "$(systemctl is-enabled $unit 2>/dev/null)" = enabled ] || fault "$unit is not enabled" "a bake command must enable it"
done
while read -r unit; do
	case $(systemctl is-enabled "$unit" 2>/dev/null) in
	enabled | '') fault "$unit is enabled, or no such unit" "the bootstrap starts it; correct its name in the manifest" ;;
	esac
done <units

bootstrap=$(/usr/bin/hornero-bootstrap version 2>&1) || fault "hornero-bootstrap does not run: $bootstrap" "build it again: make build"
if /usr/bin/hornero-bootstrap --help 2>&1 | grep -qE '^ +verify '; then
	said=$(/usr/bin/hornero-bootstrap verify 2>&1) || fault "hornero-bootstrap verify: $said" "see what it says"
fi
said=$(nft -c -f /usr/lib/hornero/metadata-guard.nft 2>&1) || fault "the metadata guard does not load: $said" "correct metadata-guard.nft"
key=$(mktemp -u /run/hornero-bake/key.XXXXXX)
ssh-keygen -q -t ed25519 -N '' -f "$key"
said=$(/usr/sbin/sshd -t -h "$key" -o HostCertificate=none 2>&1) || fault "sshd does not take its configuration: $said" "correct sshd.conf"

if [ $faults -gt 0 ]; then exit 1; fi
echo "== self-test passed: $(wc -l <files.list) files, $(dpkg-query -W | wc -l) packages, $(du -sxm / 2>/dev/null | cut -f1) MB"
