# One image per role, each known by its content: what is unchanged is not baked again. What all roles share is a layer, the
# image of the role common, and is baked first; then the roles are baked on it, all at once. `make images` does both:
#
#   packer plugins install --path bin/packer-plugin-hornero github.com/hornero/hornero
#   packer build -only='common.*' images/
#   packer build -only='roles.*' images/
#
# The API's token comes from the environment only (DIGITALOCEAN_ACCESS_TOKEN), its address from DIGITALOCEAN_API_URL
# unless api_url says otherwise.

variable "roles" {
  description = "The roles to bake. `hornero images bake` names those of the stack; these are all that are built in."
  type        = list(string)
  default     = ["arbitrator", "cache", "db", "edge", "proxy", "web"]
}

variable "layer" {
  description = "What the roles are baked on: \"common\", or nothing for the release's base image."
  type        = string
  default     = "common"
}

variable "roles_dir" {
  description = "A folder of roles over those that the plugin was built with; empty: those alone."
  type        = string
  default     = ""
}

variable "release" {
  description = "The Debian release: a file of releases/."
  type        = string
  default     = "debian-13"
}

variable "image" {
  description = "The base image's slug or number; empty: the release's own. Debian 9 has none: import one, and give its number."
  type        = string
  default     = ""
}

variable "mirror" {
  description = "Where the release's packages are fetched from; empty: what the base image's own sources say."
  type        = string
  default     = ""
}

variable "security_mirror" {
  description = "Where the release's security updates are fetched from; only beside mirror."
  type        = string
  default     = ""
}

variable "bootstrap_binary" {
  description = "The static hornero-bootstrap program that goes into every image."
  type        = string
  default     = "bin/hornero-bootstrap"
}

variable "records_dir" {
  description = "Where the images' records are kept on this machine; empty: where `hornero images` looks for them."
  type        = string
  default     = ""
}

variable "api_url" {
  description = "Where the DigitalOcean API answers; empty: DIGITALOCEAN_API_URL, or DigitalOcean itself."
  type        = string
  default     = ""
}

variable "region" {
  description = "The region to bake in; images start Droplets in the region they are in."
  type        = string
  default     = "nyc3"
}

variable "snapshot_regions" {
  description = "More regions that the roles' images are to be in; the layer's is needed in region only."
  type        = list(string)
  default     = []
}

variable "size" {
  description = "The size to bake on. The smallest is right: an image's least disk is its builder's."
  type        = string
  default     = "s-1vcpu-1gb"
}

variable "force" {
  description = "Bake even what is unchanged."
  type        = bool
  default     = false
}

variable "renew" {
  description = "Roles, the layer's among them, to bake even when unchanged: `hornero images bake` names those with outdated packages."
  type        = list(string)
  default     = []
}

source "hornero-droplet" "role" {
  api_url          = var.api_url
  region           = var.region
  size             = var.size
  release          = var.release
  image            = var.image
  mirror           = var.mirror
  security_mirror  = var.security_mirror
  roles_dir        = var.roles_dir
  bootstrap_binary = var.bootstrap_binary
  records_dir      = var.records_dir
  ssh_username     = "root"
}

build {
  name = "common"

  source "hornero-droplet.role" {
    name  = "common"
    role  = "common"
    force = var.force || contains(var.renew, "common")
  }

  provisioner "hornero-role" {
    role             = "common"
    release          = var.release
    image            = var.image
    mirror           = var.mirror
    security_mirror  = var.security_mirror
    roles_dir        = var.roles_dir
    bootstrap_binary = var.bootstrap_binary
    records_dir      = var.records_dir
  }
}

build {
  name = "roles"

  dynamic "source" {
    for_each = var.roles
    labels   = ["hornero-droplet.role"]
    content {
      name             = source.value
      role             = source.value
      layer            = var.layer
      snapshot_regions = var.snapshot_regions
      force            = var.force || contains(var.renew, source.value)
    }
  }

  provisioner "hornero-role" {
    role             = source.name
    layer            = var.layer
    release          = var.release
    image            = var.image
    mirror           = var.mirror
    security_mirror  = var.security_mirror
    roles_dir        = var.roles_dir
    bootstrap_binary = var.bootstrap_binary
    records_dir      = var.records_dir
  }
}
