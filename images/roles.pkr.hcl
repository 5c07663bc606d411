# One image per role, all at once, each known by its content: a role that is unchanged is not baked again.
#
#   packer plugins install --path bin/packer-plugin-hornero github.com/hornero/hornero
#   packer build -var bootstrap_binary=bin/hornero-bootstrap images/
#
# The API's token comes from the environment only (DIGITALOCEAN_ACCESS_TOKEN), its address from DIGITALOCEAN_API_URL
# unless api_url says otherwise.

variable "roles" {
  description = "The roles to bake: folders of roles_dir."
  type        = list(string)
  default     = ["db", "proxy", "web"]
}

variable "roles_dir" {
  description = "A folder of roles; empty: those that the plugin was built with."
  type        = string
  default     = ""
}

variable "release" {
  description = "The Debian release: a file of releases/."
  type        = string
  default     = "debian-13"
}

variable "bootstrap_binary" {
  description = "The static hornero-bootstrap program that goes into every image."
  type        = string
  default     = "bin/hornero-bootstrap"
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

source "hornero-droplet" "role" {
  api_url          = var.api_url
  region           = var.region
  size             = var.size
  release          = var.release
  roles_dir        = var.roles_dir
  bootstrap_binary = var.bootstrap_binary
  force            = var.force
  ssh_username     = "root"
}

build {
  dynamic "source" {
    for_each = var.roles
    labels   = ["hornero-droplet.role"]
    content {
      name = source.value
      role = source.value
    }
  }

  provisioner "hornero-role" {
    role             = source.name
    release          = var.release
    roles_dir        = var.roles_dir
    bootstrap_binary = var.bootstrap_binary
  }
}
