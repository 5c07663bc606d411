-- Run through the unix socket by the node that begins the cluster's history, and by the writer after passwords changed; the
-- others get it from there.
-- Every statement may run again.
{{- range .Databases}}
CREATE DATABASE IF NOT EXISTS {{.Name}} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
{{- if can "alter-user"}}
CREATE USER IF NOT EXISTS '{{.User}}'@'%' IDENTIFIED BY {{secret .Secret | sqlquote}} REQUIRE SSL;
{{- if and (previous .Secret) (can "two-passwords")}}
-- Both open the door until the nodes with the old one are replaced, and "hornero secrets retire" ends that.
ALTER USER '{{.User}}'@'%' IDENTIFIED
  VIA mysql_native_password USING PASSWORD({{secret .Secret | sqlquote}})
  OR mysql_native_password USING PASSWORD({{previous .Secret | sqlquote}}) REQUIRE SSL;
{{- else}}
ALTER USER '{{.User}}'@'%' IDENTIFIED BY {{secret .Secret | sqlquote}} REQUIRE SSL;
{{- end}}
GRANT {{.Grants}} ON {{.Name}}.* TO '{{.User}}'@'%';
{{- else}}
GRANT {{.Grants}} ON {{.Name}}.* TO '{{.User}}'@'%' IDENTIFIED BY {{secret .Secret | sqlquote}} REQUIRE SSL;
{{- end}}
{{- end}}
