module github.com/hornero/hornero/tools/clients/terraform
go 1.22
require github.com/hashicorp/terraform v1.5.7
