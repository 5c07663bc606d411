-- Run through the unix socket by the node that begins the cluster's history, and by the writer after passwords changed; the
-- others get it from there.
-- Every statement may run again.
{{- range .Databases}}
CREATE DATABASE IF NOT EXISTS {{.Name}} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
{{- if can "alter-user"}}
CREATE USER IF NOT EXISTS '{{.User}}'@'%' IDENTIFIED BY {{secret .Secret | sqlquote}} REQUIRE SSL;
ALTER USER '{{.User}}'@'%' IDENTIFIED BY {{secret .Secret | sqlquote}} REQUIRE SSL;
GRANT {{.Grants}} ON {{.Name}}.* TO '{{.User}}'@'%';
{{- else}}
GRANT {{.Grants}} ON {{.Name}}.* TO '{{.User}}'@'%' IDENTIFIED BY {{secret .Secret | sqlquote}} REQUIRE SSL;
{{- end}}
{{- end}}
