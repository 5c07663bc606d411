-- Run through the unix socket by the node that begins the cluster's history, and by the writer after passwords changed; the
-- others get it from there.
-- Every statement may run again.
CREATE DATABASE IF NOT EXISTS wordpress CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
{{- if can "alter-user"}}
CREATE USER IF NOT EXISTS 'wordpress'@'%' IDENTIFIED BY {{secret "wordpress.db_password" | sqlquote}} REQUIRE SSL;
ALTER USER 'wordpress'@'%' IDENTIFIED BY {{secret "wordpress.db_password" | sqlquote}} REQUIRE SSL;
GRANT ALL PRIVILEGES ON wordpress.* TO 'wordpress'@'%';
{{- else}}
GRANT ALL PRIVILEGES ON wordpress.* TO 'wordpress'@'%' IDENTIFIED BY {{secret "wordpress.db_password" | sqlquote}} REQUIRE SSL;
{{- end}}
