source "digitalocean" "baked" {
  image            = "debian-13-x64"
  region           = "fra1"
  size             = "s-1vcpu-1gb"
  ssh_username     = "root"
  snapshot_name    = "baked"
  snapshot_regions = ["fra1", "nyc3"]
  snapshot_tags    = ["baked-by-packer"]
  tags             = ["building"]
}

build {
  sources = ["source.digitalocean.baked"]
  provisioner "shell" {
    inline = ["echo baked > /etc/baked"]
  }
}
