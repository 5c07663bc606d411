<?php
// Prints where objects of Spaces belong whose names are not those of their files, as the plugin WP Offload Media wrote it down: a
// bucket, an object and a file of the uploads in each line, with tabs between them, as `hornero media import` reads them.
require __DIR__ . '/owner.php';

const OFFLOADED_PATIENCE = 600; // seconds for one question

owner_words(array_slice($argv, 1), 0, 'site offloaded');

/** Asks for rows, which come one at a time: all of a large site's are more than there is memory. */
function offloaded_rows(string $question): mysqli_result {
	static $open = []; // each question has a connection, which ends with the program

	$open[] = $database = hornero_connect(OFFLOADED_PATIENCE);
	if ($database === null || !$database->set_charset('utf8mb4')) {
		owner_stop('connect to the database: ' . ($database ? $database->error : mysqli_connect_error()));
	}

	$rows = $database->query($question, MYSQLI_USE_RESULT);
	if ($rows === false) {
		owner_stop("ask the database: {$database->error}\n$question");
	}
	return $rows;
}

/** Tells whether a table of WordPress' prefix is there. */
function offloaded_has(string $table): bool {
	$like = addcslashes(hornero_table($table), '\\%_');
	return (bool) offloaded_rows("SHOW TABLES LIKE '$like'")->fetch_row();
}

/** What a plugin or WordPress keeps in its own form. No class is made of it. */
function offloaded_value($text): array {
	$value = $text === null ? null : @unserialize($text, ['allowed_classes' => false]);
	return is_array($value) ? $value : [];
}

/** The names of an attachment's files: all sizes, what was edited, and what was uploaded. */
function offloaded_names(array ...$lists): array {
	$names = [];

	foreach ($lists as $list) {
		$names[] = $list['original_image'] ?? null;

		// WordPress has sizes and backups, the plugin its objects.
		foreach (array_merge($list['sizes'] ?? [], $list['objects'] ?? [], $list) as $one) {
			if (is_array($one)) {
				$names[] = $one['file'] ?? $one['source_file'] ?? null;
			}
		}
	}

	return array_unique(array_filter(array_map(function ($name) {
		return is_string($name) ? basename($name) : null;
	}, $names)));
}

/** A folder's name, as it stands before a file's. */
function offloaded_folder(string $path): string {
	$folder = dirname($path);
	return $folder === '.' ? '' : "$folder/";
}

function offloaded_print(string $bucket, string $object, string $file) {
	// A tab would be another column.
	if ($file !== '' && $file[0] !== '/' && !preg_match('/[\t\r\n]/', $bucket . $object . $file)) {
		echo "$bucket\t$object\t$file\n";
	}
}

/** Prints an attachment's files: its own one, and those beside it. */
function offloaded_attachment(string $bucket, string $object, string $file, array $names) {
	offloaded_print($bucket, $object, $file);

	foreach ($names as $name) {
		if ($name !== basename($file)) {
			offloaded_print($bucket, offloaded_folder($object) . $name, offloaded_folder($file) . $name);
		}
	}
}

$meta = hornero_table('postmeta');
$beside = "LEFT JOIN $meta m ON m.post_id = a.post_id AND m.meta_key = '_wp_attachment_metadata'
	LEFT JOIN $meta b ON b.post_id = a.post_id AND b.meta_key = '_wp_attachment_backup_sizes'";

// Until 2.2 of the plugin. What its table has counts more, and so comes later.
$rows = offloaded_rows("SELECT a.meta_value info, f.meta_value file, m.meta_value meta, b.meta_value backups
	FROM $meta a JOIN $meta f ON f.post_id = a.post_id AND f.meta_key = '_wp_attached_file' $beside
	WHERE a.meta_key = 'amazonS3_info'");

while ($row = $rows->fetch_assoc()) {
	$info = offloaded_value($row['info']);
	if (isset($info['bucket'], $info['key'])) {
		$names = offloaded_names(offloaded_value($row['meta']), offloaded_value($row['backups']));
		offloaded_attachment($info['bucket'], $info['key'], $row['file'], $names);
	}
}

if (!offloaded_has('as3cf_items')) {
	exit(0);
}

$items = hornero_table('as3cf_items');
$private = 0;
$rows = offloaded_rows("SELECT a.*, m.meta_value meta, b.meta_value backups
	FROM (SELECT *, source_id post_id FROM $items WHERE source_type = 'media-library') a $beside");

while ($row = $rows->fetch_assoc()) {
	$extra = offloaded_value($row['extra_info']);
	$names = offloaded_names($extra, offloaded_value($row['meta']), offloaded_value($row['backups']));
	$names[] = basename($row['original_source_path']);

	offloaded_attachment($row['bucket'], $row['path'], $row['source_path'], array_unique($names));

	// Private objects may lie in a folder of their own. Those that are not there are in nobody's way.
	if (trim($extra['private_prefix'] ?? '', '/') !== '') {
		$object = trim($extra['private_prefix'], '/') . "/{$row['path']}";
		offloaded_attachment($row['bucket'], $object, $row['source_path'], array_unique($names));
	}

	if ($row['is_private']) {
		$private++;
	}
}

if ($private > 0) {
	fwrite(STDERR, "$private uploads are private in their Space; among the site's uploads everybody sees them\n");
}
