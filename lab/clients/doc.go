// Package clients holds the proof that programs which this project did not write live a whole life cycle against the
// lab, as they are: doctl, DigitalOcean's Packer plugin, Terraform with DigitalOcean's provider, and Debian's
// rclone. All but the last are built once from the modules that tools/clients pins. The tests run as root, with
// the tag root, and use the lab through bin/hornero.
package clients
