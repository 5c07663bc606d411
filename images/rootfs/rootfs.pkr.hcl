# A role's image without a Droplet: a disk, and with a Space the image that DigitalOcean imports through it. As root, on a
# machine with mmdebstrap, systemd-container, e2fsprogs, fdisk and qemu-utils. `make rootfs ROLE=proxy` does it:
#
#   packer plugins install --path bin/packer-plugin-hornero github.com/hornero/hornero
#   packer build -var role=proxy images/rootfs
#
# To import it, name the Space; its key comes from DIGITALOCEAN_SPACES_ACCESS_KEY and DIGITALOCEAN_SPACES_SECRET_KEY, the API's
# token from DIGITALOCEAN_ACCESS_TOKEN.

variable "role" {
  description = "The role to bake: a built-in one, or a folder of roles_dir."
  type        = string
  default     = "common"
}

variable "roles_dir" {
  description = "A folder of roles over those that the plugin was built with; empty: those alone."
  type        = string
  default     = ""
}

variable "release" {
  description = "The Debian release: a file of images/releases."
  type        = string
  default     = "debian-13"
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

variable "format" {
  description = "The disk's format: qcow2 or raw."
  type        = string
  default     = "qcow2"
}

variable "size" {
  description = "The disk's size, which is also the least that a Droplet of the image has."
  type        = string
  default     = "3G"
}

variable "output_dir" {
  description = "Where the disk is left; empty: output, or nowhere when it is imported."
  type        = string
  default     = ""
}

variable "work_dir" {
  description = "Where the system is made, a few gigabytes, in a folder that goes with the build."
  type        = string
  default     = "/var/tmp"
}

variable "sources" {
  description = "Lines of sources.list; none: the release's suites, from where this machine's own apt finds Debian."
  type        = list(string)
  default     = []
}

variable "keyring" {
  description = "A file or folder with the keys that sign the sources; empty: the release's own."
  type        = string
  default     = ""
}

variable "apt_options" {
  description = "Lines of apt.conf, for the bake and for the image."
  type        = list(string)
  default     = []
}

variable "space_name" {
  description = "The Space to import through; empty: the disk is all that is made."
  type        = string
  default     = ""
}

variable "spaces_region" {
  description = "The region of the Space."
  type        = string
  default     = "nyc3"
}

variable "spaces_url" {
  description = "Where the Space's region answers; empty: DigitalOcean's own address of it."
  type        = string
  default     = ""
}

variable "image_regions" {
  description = "Where the image is to be; none: in the Space's region."
  type        = list(string)
  default     = []
}

variable "force" {
  description = "Bake even what is unchanged."
  type        = bool
  default     = false
}

source "hornero-rootfs" "role" {
  role             = var.role
  release          = var.release
  roles_dir        = var.roles_dir
  bootstrap_binary = var.bootstrap_binary
  records_dir      = var.records_dir
  format           = var.format
  size             = var.size
  output_dir       = var.output_dir
  work_dir         = var.work_dir
  sources          = var.sources
  keyring          = var.keyring
  apt_options      = var.apt_options
  space_name       = var.space_name
  spaces_region    = var.spaces_region
  spaces_url       = var.spaces_url
  image_regions    = var.image_regions
  force            = var.force
}

build {
  sources = ["source.hornero-rootfs.role"]

  provisioner "hornero-role" {
    role             = var.role
    release          = var.release
    roles_dir        = var.roles_dir
    bootstrap_binary = var.bootstrap_binary
    records_dir      = var.records_dir
  }
}
