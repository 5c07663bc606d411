<?php
// Replaces a text, as a rule the site's old address, in all tables of WordPress' prefix. The column guid stays: feed readers
// know posts by it.
require __DIR__ . '/owner.php';
require __DIR__ . '/replacer.php';

const SEARCH_PATIENCE = 600; // seconds for one question
const SEARCH_BATCH = 500;    // changed rows of one transaction

$dry = in_array('--dry-run', $argv, true);
$words = array_values(array_diff(array_slice($argv, 1), ['--dry-run']));
list($old, $new) = owner_words($words, 2, 'site search-replace OLD NEW [--dry-run]');
if ($old === '' || $old === $new) {
	owner_stop('OLD must be a text, and another one than NEW');
}

/** Connects with a name for letters that all of WordPress' columns fit in. */
function search_connect(): mysqli {
	$database = hornero_connect(SEARCH_PATIENCE);
	if ($database === null) {
		owner_stop('connect to the database: ' . mysqli_connect_error());
	}
	if (!$database->set_charset('utf8mb4')) {
		owner_stop("say utf8mb4 to the database: {$database->error}");
	}
	return $database;
}

function search_ask(mysqli $database, string $question, int $mode = MYSQLI_STORE_RESULT) {
	$answer = $database->query($question, $mode);
	if ($answer === false) {
		owner_stop("ask the database: {$database->error}\n$question");
	}
	return $answer;
}

/** The columns of a table that hold texts, and its primary key. */
function search_columns(mysqli $database, string $table): array {
	$texts = [];
	$key = [];

	foreach (search_ask($database, "SHOW COLUMNS FROM `$table`")->fetch_all(MYSQLI_ASSOC) as $column) {
		$computed = strpos(strtoupper($column['Extra']), 'GENERATED') !== false;
		if (preg_match('/char|text|json/i', $column['Type']) && $column['Field'] !== 'guid' && !$computed) {
			$texts[] = $column['Field'];
		}
		if ($column['Key'] === 'PRI') {
			$key[] = $column['Field'];
		}
	}

	return [$texts, $key];
}

/** Words of SQL that a row with one of the texts matches, and a few more: the replacer looks itself. */
function search_condition(mysqli $database, string $column, array $needles): string {
	$conditions = array_map(function ($needle) use ($database, $column) {
		return "`$column` LIKE '%" . $database->real_escape_string(addcslashes($needle, '\\%_')) . "%'";
	}, $needles);

	return implode(' OR ', $conditions);
}

/** Writes one changed value. Whoever changed it meanwhile goes before. */
function search_write(mysqli $database, string $table, string $column, array $key, array $row, string $value) {
	$quote = function ($text) use ($database) {
		return "'" . $database->real_escape_string($text) . "'";
	};

	$where = ["BINARY `$column` = BINARY " . $quote($row[$column])];
	foreach ($key as $name) {
		$where[] = "`$name` = " . $quote($row[$name]);
	}

	search_ask($database, "UPDATE `$table` SET `$column` = {$quote($value)} WHERE " . implode(' AND ', $where));
}

/** Goes through one column. It returns how many rows have changed, or would. */
function search_column(string $table, string $column, array $key, Hornero_Replacer $replacer, bool $dry): int {
	$reads = search_connect();
	$writes = search_connect();
	$writes->autocommit(false);
	$changed = 0;

	$fields = '`' . implode('`, `', array_unique(array_merge($key, [$column]))) . '`';
	$condition = search_condition($reads, $column, $replacer->needles());
	$rows = search_ask($reads, "SELECT $fields FROM `$table` WHERE $condition", MYSQLI_USE_RESULT);

	while ($row = $rows->fetch_assoc()) {
		$value = $replacer->replace((string) $row[$column]);
		if ($value === $row[$column]) {
			continue;
		}

		$changed++;
		if (!$dry) {
			search_write($writes, $table, $column, $key, $row, $value);
		}
		if ($changed % SEARCH_BATCH === 0) {
			$writes->commit();
		}
	}

	if (!$writes->commit()) {
		owner_stop("write to $table: {$writes->error}");
	}
	$rows->close();
	$reads->close();
	$writes->close();

	return $changed;
}

$database = search_connect();
$replacer = new Hornero_Replacer($old, $new);
$total = 0;

$like = addcslashes($table_prefix, '\\%_') . '%';
foreach (search_ask($database, "SHOW FULL TABLES LIKE '$like'")->fetch_all() as list($table, $kind)) {
	// Sessions are data of plugins in PHP's own form, and short-lived.
	if ($kind !== 'BASE TABLE' || strpos($table, "{$table_prefix}hornero_") === 0) {
		continue;
	}

	list($texts, $key) = search_columns($database, $table);
	foreach ($texts as $column) {
		$before = $replacer->count;
		$rows = search_column($table, $column, $key, $replacer, $dry);
		$total += $rows;

		if ($rows > 0) {
			printf("%s.%s: %d rows, %d places\n", $table, $column, $rows, $replacer->count - $before);
		}
	}
}
printf("%d rows %s, %d places\n", $total, $dry ? 'would change' : 'changed', $replacer->count);

if (!$dry && $total > 0) {
	// What was kept of the old texts goes. A plugin that dies takes nothing back.
	require owner_wordpress();
	wp_cache_flush();
	do_action('hornero_pages_changed');
}
