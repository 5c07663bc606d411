#!/bin/bash
# Makes the image of role web into a web node that a script starts: nginx, PHP and WordPress, with the database behind
# the first proxy. Who asks for the first page installs WordPress by its own form.
set -e
systemctl disable hornero-bootstrap.service
touch /etc/cloud/cloud-init.disabled

# Without the stack's own plugins, which need what the bootstrap writes.
mkdir -p /srv/content/uploads
cp -r /usr/share/wordpress/wp-content/themes /usr/share/wordpress/wp-content/languages /srv/content/ 2>/dev/null || true
chown -R www-data /srv/content

rm -f /etc/nginx/sites-enabled/*
cat >/etc/nginx/sites-enabled/script <<'END'
server {
	listen 80 default_server;
	root /usr/share/wordpress;
	index index.php;
	location / { try_files $uri $uri/ /index.php$is_args$args; }
	location ~ \.php$ {
		include fastcgi.conf;
		fastcgi_pass unix:/run/script-php.sock;
		fastcgi_read_timeout 120s;
	}
}
END

cat >/etc/script-php.conf <<'END'
[global]
error_log = syslog
daemonize = no
[www]
user = www-data
listen = /run/script-php.sock
listen.owner = www-data
pm = static
pm.max_children = 4
END
cat >/etc/systemd/system/script-php.service <<'END'
[Service]
ExecStart=/usr/local/sbin/php-fpm -y /etc/script-php.conf
[Install]
WantedBy=multi-user.target
END
cat >/etc/systemd/system/script-nginx.service <<'END'
[Service]
Type=forking
ExecStart=/usr/sbin/nginx
[Install]
WantedBy=multi-user.target
END

cat >/etc/wordpress/config-default.php <<'END'
<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'wordpress');
define('DB_PASSWORD', 'word');
define('DB_HOST', '10.77.0.13');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('WP_CONTENT_DIR', '/srv/content');
define('DISABLE_WP_CRON', true);
$table_prefix = 'wp_';
END

systemctl daemon-reload
systemctl enable script-php.service script-nginx.service
sync
systemctl poweroff
