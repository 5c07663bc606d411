module github.com/hornero/hornero/tools/clients/packer-plugin
go 1.26
require github.com/digitalocean/packer-plugin-digitalocean v1.4.1
replace github.com/zclconf/go-cty => github.com/nywilken/go-cty v1.13.3
