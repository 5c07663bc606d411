-- Run through the unix socket by the node that begins the cluster's history, and by the writer after passwords changed; the
-- others get it from there.
-- Every statement may run again. They have what the server keeps of a password, not the password: Galera keeps the statements in a file.
CREATE DATABASE IF NOT EXISTS `wordpress` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
CREATE USER IF NOT EXISTS 'wordpress'@'%' IDENTIFIED VIA mysql_native_password USING '*587108FC3E6E01BD9297FB7EACC41519275E9E5A' REQUIRE SSL;
ALTER USER 'wordpress'@'%' IDENTIFIED VIA mysql_native_password USING '*587108FC3E6E01BD9297FB7EACC41519275E9E5A' REQUIRE SSL;
GRANT ALL PRIVILEGES ON `wordpress`.* TO 'wordpress'@'%';
