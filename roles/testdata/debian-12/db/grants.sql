-- Run through the unix socket by the node that begins the cluster's history, and by the writer after passwords changed; the
-- others get it from there.
-- Every statement may run again.
CREATE DATABASE IF NOT EXISTS wordpress CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
CREATE USER IF NOT EXISTS 'wordpress'@'%' IDENTIFIED BY 'it''s \\ "quoted" $HOME' REQUIRE SSL;
ALTER USER 'wordpress'@'%' IDENTIFIED BY 'it''s \\ "quoted" $HOME' REQUIRE SSL;
GRANT ALL PRIVILEGES ON wordpress.* TO 'wordpress'@'%';
