<?php
/*
Plugin Name: Uploads of all nodes
Description: Asks hornero-media, which keeps uploads where all web nodes have them: an upload is done when it is kept, names are drawn for all nodes at once, and a deletion is one everywhere.
*/

// hornero-media watches the folder by itself: whatever writes into it needs nothing of this file. Here is what a watch
// cannot do: wait, refuse, and fetch.

const HORNERO_MEDIA_SOCKET = 'unix:///run/hornero-media/media.sock';

/** Where visitors are sent for pictures; empty: to the site itself. */
function hornero_media_url(): string {
	$settings = is_readable('/etc/wordpress/hornero-media.php') ? include '/etc/wordpress/hornero-media.php' : array();
	return $settings['url'] ?? '';
}

/** The path of a file within the uploads; empty for all others. */
function hornero_media_path($file): string {
	$base = wp_upload_dir(null, false)['basedir'] . '/';
	$file = wp_normalize_path((string) $file);
	return strpos($file, $base) === 0 ? substr($file, strlen($base)) : '';
}

/** Asks the daemon about paths. What it says against it, or '' when it is done. */
function hornero_media_ask(string $what, array $paths, int $seconds = 40): string {
	$socket = @stream_socket_client(HORNERO_MEDIA_SOCKET, $number, $reason, 1);
	if (!$socket) {
		return 'hornero-media does not answer';
	}

	stream_set_timeout($socket, $seconds);
	$body = http_build_query(array('path' => array_values($paths)));
	$body = preg_replace('/%5B\d+%5D=/', '%5B%5D=', $body);
	fwrite($socket, "POST /$what HTTP/1.0\r\nHost: media\r\nContent-Type: application/x-www-form-urlencoded\r\n"
		. 'Content-Length: ' . strlen($body) . "\r\n\r\n" . $body);
	$answer = stream_get_contents($socket);
	fclose($socket);

	if (!preg_match('#^HTTP/1\.[01] (\d+)#', (string) $answer, $status)) {
		return 'hornero-media broke off';
	}
	if ($status[1][0] === '2') {
		return '';
	}

	return trim((string) substr($answer, (int) strpos($answer, "\r\n\r\n") + 4)) ?: 'hornero-media refused it';
}

/** An upload is done when it is kept. All three ways in pass here: uploads, sideloads and wp_upload_bits. */
function hornero_media_uploaded($upload) {
	$path = hornero_media_path($upload['file'] ?? '');
	if ($path === '' || !empty($upload['error'])) {
		return $upload;
	}

	$refused = hornero_media_ask('settle', array($path));
	if ($refused === '') {
		return $upload;
	}

	error_log("hornero-media: $path: $refused");
	@unlink($upload['file']);
	return array('error' => 'The file could not be kept: the place where uploads are stored does not take it now.'
		. ' Nothing was changed. Please try again in a few minutes.');
}
add_filter('wp_handle_upload', 'hornero_media_uploaded', 999);

/** Whatever else a request wrote is kept before it is answered. What cannot be is told by `hornero media status`. */
function hornero_media_settle() {
	hornero_media_ask('settle', array(), 30);
}
add_action('shutdown', 'hornero_media_settle', 0);

/** Draws a name that no other node draws at the same moment: by a row with a unique key, for a day. */
function hornero_media_reserve(string $name): bool {
	global $wpdb;
	$table = $wpdb->base_prefix . 'hornero_names';
	$quiet = $wpdb->suppress_errors(true);
	$insert = $wpdb->prepare("INSERT IGNORE INTO `$table` (id, made) VALUES (%s, %d)", sha1($name), time());
	$rows = $wpdb->query($insert);
	if ($rows === false) {
		$wpdb->query("CREATE TABLE IF NOT EXISTS `$table` (id CHAR(40) CHARACTER SET ascii NOT NULL PRIMARY KEY,"
			. ' made INT UNSIGNED NOT NULL, KEY made (made)) ENGINE=InnoDB');
		$rows = $wpdb->query($insert);
	}

	// By then every node knows of the file itself.
	if ($rows && mt_rand(1, 50) === 1) {
		$wpdb->query($wpdb->prepare("DELETE FROM `$table` WHERE made < %d LIMIT 1000", time() - DAY_IN_SECONDS));
	}
	$wpdb->suppress_errors($quiet);

	// Without a row nobody knows. WordPress' own look has to do, as on one node.
	return $rows === false || $rows > 0;
}

/** The last word on a new file's name: free on every node, not only on this one. */
function hornero_media_name($name, $extension, $folder) {
	$within = hornero_media_path(trailingslashit($folder));
	if ($within === '' && strpos(trailingslashit(wp_normalize_path($folder)), wp_upload_dir(null, false)['basedir'] . '/') !== 0) {
		return $name;
	}

	$extension = $extension ?: (pathinfo($name, PATHINFO_EXTENSION) ? '.' . pathinfo($name, PATHINFO_EXTENSION) : '');
	$stem = $extension === '' ? $name : substr($name, 0, -strlen($extension));
	$plain = preg_replace('/-\d{1,4}$/', '', $stem);
	$number = preg_match('/-(\d{1,4})$/', $stem, $found) ? (int) $found[1] : 0;

	for ($tries = 0; $tries < 2000; $tries++) {
		$candidate = ($tries === 0 ? $stem : "$plain-" . ++$number);
		$path = $within . $candidate;
		if (!file_exists("$folder/$candidate$extension")
			&& hornero_media_ask('taken', array($path . ($extension ?: '.x')), 5) === ''
			&& hornero_media_reserve(strtolower($path))) {
			return $candidate . $extension;
		}
	}

	return $name;
}
add_filter('wp_unique_filename', 'hornero_media_name', 999, 3);

/**
 * Makes the month's folder before WordPress does. Of two uploads that come first at one moment, WordPress refuses the
 * one whose mkdir finds that the other's was quicker.
 */
function hornero_media_folder($uploads) {
	$path = $uploads['path'];
	for ($tries = 0; $tries < 5 && !$uploads['error'] && !is_dir($path); $tries++) {
		@mkdir($path, 0755, true);
		clearstatcache();
	}
	return $uploads;
}
add_filter('upload_dir', 'hornero_media_folder', 999);

/** Uploads are where the image has them. The folder that an old site's plugin wrote down is on another machine. */
add_filter('pre_option_upload_path', '__return_empty_string');

/** A file that is not on this node is deleted all the same. */
function hornero_media_delete($file) {
	$path = hornero_media_path($file);
	if ($path !== '' && !file_exists($file)) {
		hornero_media_ask('delete', array($path), 5);
	}

	return $file;
}
add_filter('wp_delete_file', 'hornero_media_delete', 999);

/** All files of an attachment, whether this node has them or not: WordPress passes over those that it does not see. */
function hornero_media_attachment($id) {
	$file = get_attached_file($id, true);
	$path = hornero_media_path($file);
	if ($path === '') {
		return;
	}

	$meta = wp_get_attachment_metadata($id, true) ?: array();
	$backups = get_post_meta($id, '_wp_attachment_backup_sizes', true) ?: array();
	$names = array(basename($path), $meta['original_image'] ?? '');
	foreach (array_merge($meta['sizes'] ?? array(), $backups) as $size) {
		$names[] = $size['file'] ?? '';
		foreach ($size['sources'] ?? array() as $source) {
			$names[] = $source['file'] ?? '';
		}
	}

	$folder = dirname($path) === '.' ? '' : dirname($path) . '/';
	$gone = array();
	foreach (array_unique(array_filter($names)) as $name) {
		if (!file_exists(dirname($file) . '/' . $name)) {
			$gone[] = $folder . $name;
		}
	}
	if ($gone) {
		hornero_media_ask('delete', $gone, 5);
	}
}
add_action('delete_attachment', 'hornero_media_attachment');

/** Whoever opens a picture that is not on this node gets it. */
function hornero_media_fetch($file) {
	$path = is_string($file) ? hornero_media_path($file) : '';
	if ($path !== '' && !file_exists($file)) {
		hornero_media_ask('fetch', array($path));
		clearstatcache(true, $file);
	}

	return $file;
}

/** Only where somebody is about to open it: pages name pictures, and do not read them. */
function hornero_media_opened($file) {
	$edits = is_admin() || (defined('REST_REQUEST') && REST_REQUEST) || (defined('WP_CLI') && WP_CLI) || wp_doing_cron();
	return $edits ? hornero_media_fetch($file) : $file;
}
add_filter('get_attached_file', 'hornero_media_opened', 999);
add_filter('wp_get_original_image_path', 'hornero_media_fetch', 999);
add_filter('load_image_to_edit_filesystempath', 'hornero_media_fetch', 999);

/** Sends visitors to another address for pictures. What editors see, and so what is stored in posts, stays the site's own. */
function hornero_media_elsewhere($text) {
	static $url = null;
	$url = $url ?? hornero_media_url();
	if ($url === '' || is_admin() || (defined('REST_REQUEST') && REST_REQUEST) || !is_string($text)) {
		return $text;
	}

	return str_replace(wp_upload_dir(null, false)['baseurl'] . '/', $url . '/', $text);
}
add_filter('wp_get_attachment_url', 'hornero_media_elsewhere', 999);
add_filter('the_content', 'hornero_media_elsewhere', 999);
add_filter('wp_calculate_image_srcset', function ($sources) {
	foreach ($sources ?: array() as $width => $source) {
		$sources[$width]['url'] = hornero_media_elsewhere($source['url']);
	}

	return $sources;
}, 999);
