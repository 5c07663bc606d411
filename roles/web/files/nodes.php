<?php
// Which WordPress each web node runs: every node writes it down when it starts (install.php), and the schema is updated when
// no older one is left (schema.php).

/** Notes this node's schema version. */
function hornero_record_node(mysqli $database, string $node, int $incarnation, int $version): bool {
	$table = hornero_table('hornero_nodes');

	return $database->query(
		"CREATE TABLE IF NOT EXISTS $table (node VARCHAR(64) NOT NULL, incarnation BIGINT NOT NULL, db_version BIGINT NOT NULL,"
		. ' PRIMARY KEY (node)) ENGINE = InnoDB'
	) && $database->query(sprintf(
		"INSERT INTO $table (node, incarnation, db_version) VALUES ('%s', %d, %d)"
		. ' ON DUPLICATE KEY UPDATE incarnation = VALUES(incarnation), db_version = VALUES(db_version)',
		$database->real_escape_string($node),
		$incarnation,
		$version
	));
}

/**
 * The nodes among those of the stack that may run an older WordPress: whoever wrote down an older one, or nothing yet.
 *
 * @param string[] $peers each as NAME:INCARNATION
 */
function hornero_older_nodes(mysqli $database, array $peers, int $version): array {
	$recorded = [];
	$rows = $database->query('SELECT node, incarnation, db_version FROM ' . hornero_table('hornero_nodes'));

	foreach ($rows === false ? [] : $rows->fetch_all() as $row) {
		$recorded["$row[0]:$row[1]"] = (int) $row[2];
	}

	return array_values(array_filter($peers, function ($peer) use ($recorded, $version) {
		return ($recorded[$peer] ?? 0) < $version;
	}));
}

/** Those peers that serve the same site: the nodes of one group are called GROUP-1, GROUP-2 and so on. */
function hornero_same_group(array $peers, string $node): array {
	$group = function ($name) {
		return preg_replace('/-[0-9]+(:[0-9]+)?$/', '', $name);
	};

	return array_values(array_filter($peers, function ($peer) use ($group, $node) {
		return $group($peer) === $group($node);
	}));
}
