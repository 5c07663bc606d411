// Package website proves what the role web is on a node: its nginx, its PHP and its WordPress as an image has them,
// beside a real MariaDB under TLS. It runs as root, with the tag root, by scripts/website.sh; there is no lab, no
// Droplet and no bake, so a test takes seconds.
//
// A site is a network of its own: a database and as many web nodes as a test asks for, each a Debian root over an
// overlay in a network namespace with an address. The role's files are put where the bake puts them, its bake commands
// run, its templates are rendered as the bootstrap renders them. What is missing against a node: systemd (the rig
// starts the daemons), the bootstrap, HAProxy on loopback (the name of the database is the server's own address
// here), and the leases.
//
//	scripts/website.sh                             every test, some at a time
//	scripts/website.sh TestTheSiteServesFromEachNode   one
package website
