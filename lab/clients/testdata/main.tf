terraform {
  required_providers {
    digitalocean = { source = "digitalocean/digitalocean" }
  }
}

variable "size" { default = "s-1vcpu-1gb" }
variable "port" { default = 80 }
variable "tags" {
  type    = list(string)
  default = ["web"]
}

provider "digitalocean" {}

resource "digitalocean_ssh_key" "me" {
  name       = "me"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHqzM0kxTAnBDHX5lCXmYMlQpyFLwBJVeKwBYhLXeEuS me"
}

resource "digitalocean_vpc" "inner" {
  name     = "inner"
  region   = "fra1"
  ip_range = "10.78.0.0/24"
}

resource "digitalocean_tag" "web" { name = "web" }

resource "digitalocean_droplet" "web" {
  count      = 2
  name       = "web-${count.index}"
  image      = "debian-13-x64"
  region     = "fra1"
  size       = var.size
  vpc_uuid   = digitalocean_vpc.inner.id
  ssh_keys   = [digitalocean_ssh_key.me.fingerprint]
  tags       = var.tags
  monitoring = true
  user_data  = "#cloud-config\n{}\n"
  depends_on = [digitalocean_tag.web]
}

resource "digitalocean_floating_ip" "front" {
  droplet_id = digitalocean_droplet.web[0].id
  region     = "fra1"
}

resource "digitalocean_volume" "data" {
  region                  = "fra1"
  name                    = "data"
  size                    = 1
  initial_filesystem_type = "ext4"
}

resource "digitalocean_volume_attachment" "data" {
  droplet_id = digitalocean_droplet.web[0].id
  volume_id  = digitalocean_volume.data.id
}

resource "digitalocean_loadbalancer" "front" {
  name        = "front"
  region      = "fra1"
  vpc_uuid    = digitalocean_vpc.inner.id
  droplet_tag = digitalocean_tag.web.name
  forwarding_rule {
    entry_port      = var.port
    entry_protocol  = "http"
    target_port     = 80
    target_protocol = "http"
  }
  sticky_sessions {
    type               = "cookies"
    cookie_name        = "node"
    cookie_ttl_seconds = 300
  }
}

resource "digitalocean_firewall" "web" {
  name = "web"
  tags = [digitalocean_tag.web.name]
  inbound_rule {
    protocol         = "tcp"
    port_range       = "22"
    source_addresses = ["0.0.0.0/0"]
  }
  inbound_rule {
    protocol                  = "tcp"
    port_range                = var.port
    source_load_balancer_uids = [digitalocean_loadbalancer.front.id]
  }
  inbound_rule {
    protocol         = "icmp"
    source_addresses = ["0.0.0.0/0"]
  }
  outbound_rule {
    protocol              = "tcp"
    port_range            = "all"
    destination_addresses = ["0.0.0.0/0"]
  }
}

resource "digitalocean_domain" "site" { name = "example.com" }

resource "digitalocean_record" "www" {
  domain = digitalocean_domain.site.name
  type   = "A"
  name   = "www"
  value  = digitalocean_floating_ip.front.ip_address
}

resource "digitalocean_record" "mail" {
  domain   = digitalocean_domain.site.name
  type     = "MX"
  name     = "@"
  priority = 10
  value    = "mail.example.com."
}

resource "digitalocean_project" "site" {
  name        = "site"
  purpose     = "Website or blog"
  environment = "Staging"
  resources   = [digitalocean_droplet.web[0].urn, digitalocean_droplet.web[1].urn, digitalocean_loadbalancer.front.urn]
}
