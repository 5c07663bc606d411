-- Run through the unix socket by the node that begins the cluster's history, and by the writer after passwords changed; the
-- others get it from there.
-- Every statement may run again. They have what the server keeps of a password, not the password: Galera keeps the statements in a file.
{{- range .Databases}}
CREATE DATABASE IF NOT EXISTS `{{.Name}}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
{{- if can "alter-user"}}
CREATE USER IF NOT EXISTS '{{.User}}'@'%' IDENTIFIED VIA mysql_native_password USING {{secret .Secret | sqlpassword}} REQUIRE SSL;
{{- if and (previous .Secret) (can "two-passwords")}}
-- Both open the door until the nodes with the old one are replaced, and "hornero secrets retire" ends that.
ALTER USER '{{.User}}'@'%' IDENTIFIED
  VIA mysql_native_password USING {{secret .Secret | sqlpassword}}
  OR mysql_native_password USING {{previous .Secret | sqlpassword}} REQUIRE SSL;
{{- else}}
ALTER USER '{{.User}}'@'%' IDENTIFIED VIA mysql_native_password USING {{secret .Secret | sqlpassword}} REQUIRE SSL;
{{- end}}
GRANT {{.Grants}} ON `{{.Name}}`.* TO '{{.User}}'@'%';
{{- else}}
GRANT {{.Grants}} ON `{{.Name}}`.* TO '{{.User}}'@'%' IDENTIFIED BY PASSWORD {{secret .Secret | sqlpassword}} REQUIRE SSL;
{{- end}}
{{- end}}
