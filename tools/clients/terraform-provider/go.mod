module github.com/hornero/hornero/tools/clients/terraform-provider
go 1.22
require github.com/digitalocean/terraform-provider-digitalocean v1.23.0
exclude github.com/terraform-providers/terraform-provider-kubernetes v1.9.1-0.20191018170806-2c80accb5635
exclude github.com/keybase/go-crypto v0.0.0-20190523171820-b785b22cc757
