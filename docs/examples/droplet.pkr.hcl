# One role on the newest image of the layer, in three regions, with a record for CI to keep. From the checkout's root:
#
#   make build packer
#   .cache/packer plugins install --path bin/packer-plugin-hornero github.com/hornero/hornero
#   export DIGITALOCEAN_ACCESS_TOKEN=...
#   .cache/packer build docs/examples/droplet.pkr.hcl

packer {
  required_plugins {
    hornero = {
      source  = "github.com/hornero/hornero"
      version = ">= 0.1.0"
    }
  }
}

variable "release" {
  description = "The Debian release, as in debian-13."
  type        = string
  default     = "debian-13"
}

# What the role is baked on: an image of the role common, which "packer build -only='common.*' images" leaves. The provisioners
# take the builders' base images.
data "hornero-image" "layer" {
  role    = "common"
  release = var.release
  region  = "nyc3"
}

source "hornero-droplet" "web" {
  role             = "web"
  release          = var.release
  image            = data.hornero-image.layer.id
  bootstrap_binary = "bin/hornero-bootstrap"

  region           = "nyc3"
  size             = "s-1vcpu-1gb"
  snapshot_regions = ["ams3", "sgp1"]
  transfer_timeout = "90m"

  droplet_name  = "bake-web"
  snapshot_name = "web-${var.release}-{{timestamp}}"
  tags          = ["ci"]
  snapshot_tags = ["web"]
  monitoring    = true
  ipv6          = true
}

# The same on an image of one's own, found by what it is like.
source "hornero-droplet" "golden" {
  role             = "web"
  release          = var.release
  bootstrap_binary = "bin/hornero-bootstrap"
  region           = "nyc3"

  image_filter {
    name_regex  = "^golden-"
    tags        = ["approved"]
    type        = "user"
    most_recent = true
  }
}

build {
  sources = ["source.hornero-droplet.web"]

  provisioner "hornero-role" {
    role             = "web"
    release          = var.release
    bootstrap_binary = "bin/hornero-bootstrap"
  }

  post-processor "hornero-manifest" {
    output      = "hornero-manifest.json"
    custom_data = { commit = "0123abc" }
  }

  post-processor "hornero-prune" {
    keep    = 3
    dry_run = true
  }
}

build {
  sources = ["source.hornero-droplet.golden"]

  provisioner "hornero-role" {
    role             = "web"
    release          = var.release
    bootstrap_binary = "bin/hornero-bootstrap"
  }
}
