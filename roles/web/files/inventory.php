<?php
// Looks at the code of WordPress that is in this image, when it is baked: that PHP can read it, that each item is one, and
// that what it requires is here. Prints what there is, as JSON; what is wrong goes to standard error, and the bake ends.
// It runs nothing of what it looks at. usage: inventory.php [FOLDER OF WORDPRESS]
const SHOWN = 20; // problems that are told of: a bake's error has room for as many
const HEADER_BYTES = 8192; // as much of a file as WordPress itself reads for its header

$root = rtrim($argv[1] ?? '/usr/share/wordpress', '/');
$content = "$root/wp-content";
$problems = [];
$found = [];

function problem(string $what) {
	global $problems;
	$problems[] = $what;
}

function short(string $path): string {
	global $root;
	return substr($path, strlen($root) + 1);
}

/** The names in a folder, without hidden ones. */
function names(string $folder): array {
	$names = is_dir($folder) ? scandir($folder) : [];
	return array_values(array_filter($names, function ($name) { return $name[0] !== '.'; }));
}

/** What a file's header says of the keys, as WordPress reads it: "Key: value" after blanks, stars, slashes or hashes. */
function header_of(string $file, array $keys): array {
	$text = str_replace("\r", "\n", (string) file_get_contents($file, false, null, 0, HEADER_BYTES));
	$said = [];
	foreach ($keys as $key) {
		$form = '/^(?:[ \t]*<\?php)?[ \t\/*#@]*' . preg_quote($key, '/') . ':(.*)$/mi';
		$value = preg_match($form, $text, $match) ? $match[1] : '';
		$said[$key] = trim(preg_replace('/\s*(?:\*\/|\?>).*/', '', $value));
	}
	return $said;
}

const PLUGIN_KEYS = ['Plugin Name', 'Version', 'License', 'Requires PHP', 'Requires at least', 'Requires Plugins'];
const THEME_KEYS = ['Theme Name', 'Version', 'License', 'Requires PHP', 'Requires at least', 'Template'];

/** Links, foreign owners and files that others may write to: what is baked is root's, and stays as it is. */
function check_files(string $folder) {
	global $content;
	foreach (names($folder) as $name) {
		$path = "$folder/$name";
		if (is_link($path)) {
			// What leads out of /usr is where PHP may write; the manifest and more.yaml made it.
			if (strpos((string) readlink($path), '/var/lib/wordpress/') !== 0) {
				problem(short($path) . ' is a link: code is baked as plain files');
			}
			continue;
		}
		$stat = lstat($path);
		if ($stat['uid'] !== 0 || ($stat['mode'] & 0022) !== 0) {
			problem(short($path) . ' is not root\'s alone to write to');
		}
		if (is_dir($path)) {
			check_files($path);
		} elseif ($folder === $content && $name !== 'index.php' && !in_array($name, DROP_INS, true)) {
			problem(short($path) . ' is no file that WordPress loads from there; these are: ' . implode(', ', DROP_INS));
		}
	}
}

const DROP_INS = ['advanced-cache.php', 'blog-deleted.php', 'blog-inactive.php', 'blog-suspended.php', 'db.php',
	'db-error.php', 'fatal-error-handler.php', 'install.php', 'maintenance.php', 'object-cache.php', 'php-error.php', 'sunrise.php'];

/** All files of PHP in a folder. What PHP may write to is not followed. */
function sources(string $folder): array {
	$files = [];
	foreach (names($folder) as $name) {
		$path = "$folder/$name";
		if (is_link($path)) {
			continue;
		}
		if (is_dir($path)) {
			$files = array_merge($files, sources($path));
		} elseif (preg_match('/\.(php|phtml)$/i', $name)) {
			$files[] = $path;
		}
	}
	return $files;
}

/** Has PHP read files as php -l does: as many at once as there are processors. PHP before 8.3 takes one file a run. */
function lint(array $files) {
	$size = PHP_VERSION_ID >= 80300 ? 50 : 1;
	$waiting = array_chunk($files, $size);
	$running = [];
	$most = max(1, (int) shell_exec('nproc'));
	while ($waiting || $running) {
		while ($waiting && count($running) < $most) {
			$batch = array_shift($waiting);
			$command = implode(' ', array_map('escapeshellarg', array_merge([PHP_BINARY, '-d', 'display_errors=stderr', '-l'], $batch)));
			$pipes = [];
			$process = proc_open("exec $command 2>&1 >/dev/null", [1 => ['pipe', 'w']], $pipes);
			$running[] = [$process, $pipes[1]];
		}
		list($process, $pipe) = array_shift($running);
		$said = stream_get_contents($pipe);
		fclose($pipe);
		if (proc_close($process) !== 0) {
			foreach (array_unique(array_filter(array_map('trim', explode("\n", (string) $said)))) as $line) {
				if (preg_match('/^(?:PHP )?(?:Parse|Fatal) error:\s*(.*)$/i', $line, $match)) {
					problem('PHP ' . PHP_VERSION . ' cannot read it: ' . $match[1]);
				}
			}
		}
	}
}

/** Holds what an item requires to what is here. */
function check_requirements(string $what, array $said, string $wordpress) {
	if (!empty($said['Requires PHP']) && version_compare(PHP_VERSION, $said['Requires PHP'], '<')) {
		problem("$what requires PHP {$said['Requires PHP']}; this image has " . PHP_VERSION);
	}
	if (!empty($said['Requires at least']) && version_compare($wordpress, $said['Requires at least'], '<')) {
		problem("$what requires WordPress {$said['Requires at least']}; this image has $wordpress");
	}
}

function take(string $kind, string $name, array $said) {
	global $found;
	$found[] = array_filter([
		'kind' => $kind,
		'name' => $name,
		'version' => $said['Version'] ?? '',
		'license' => $said['License'] ?? '',
	], 'strlen');
}

/** The file of an item that has a plugin's header, and what it says. */
function plugin_in(string $item): array {
	$files = is_dir($item) ? array_map(function ($name) use ($item) { return "$item/$name"; }, names($item)) : [$item];
	foreach ($files as $file) {
		if (is_file($file) && substr($file, -4) === '.php') {
			$said = header_of($file, PLUGIN_KEYS);
			if ($said['Plugin Name'] !== '') {
				return $said;
			}
		}
	}
	return [];
}

function check_plugins(string $folder, string $wordpress) {
	$there = array_map(function ($name) { return preg_replace('/\.php$/', '', $name); }, names($folder));
	foreach (names($folder) as $name) {
		if ($name === 'index.php') {
			continue;
		}
		$said = plugin_in("$folder/$name");
		if (!$said) {
			problem(short("$folder/$name") . ' is no plugin: none of its files has a header with "Plugin Name:"');
			continue;
		}
		check_requirements("plugin $name", $said, $wordpress);
		foreach (array_filter(array_map('trim', explode(',', $said['Requires Plugins']))) as $needed) {
			if (!in_array($needed, $there, true)) {
				problem("plugin $name requires the plugin $needed, which is not in the image");
			}
		}
		take('plugin', $name, $said);
	}
}

function check_themes(string $folder, string $wordpress) {
	foreach (names($folder) as $name) {
		$theme = "$folder/$name";
		if ($name === 'index.php') {
			continue;
		}
		$said = is_file("$theme/style.css") ? header_of("$theme/style.css", THEME_KEYS) : ['Theme Name' => ''];
		if ($said['Theme Name'] === '') {
			problem(short($theme) . ' is no theme: it has no style.css whose header has "Theme Name:"');
			continue;
		}
		$parent = $said['Template'];
		if ($parent !== '' && !is_file("$folder/$parent/style.css")) {
			problem("theme $name requires the theme $parent, which is not in the image");
		}
		if ($parent === '' && !is_file("$theme/index.php") && !is_file("$theme/templates/index.html")
			&& !is_file("$theme/block-templates/index.html")) {
			problem("theme $name has neither index.php nor templates/index.html");
		}
		check_requirements("theme $name", $said, $wordpress);
		take('theme', $name, $said);
	}
}

/** WordPress loads the files of this folder, and hornero-folders.php those of its folders that are named as they are. */
function check_must_use(string $folder, string $wordpress) {
	foreach (names($folder) as $name) {
		$item = "$folder/$name";
		$file = is_dir($item) ? "$item/$name.php" : $item;
		if (substr($file, -4) !== '.php') {
			continue;
		}
		if (!is_file($file)) {
			problem(short($item) . " is never loaded: it has no file $name.php");
			continue;
		}
		$said = header_of($file, PLUGIN_KEYS);
		check_requirements("must-use plugin $name", $said, $wordpress);
		take('must-use plugin', $name, $said);
	}
}

function wordpress_version(string $root): string {
	$text = (string) @file_get_contents("$root/wp-includes/version.php");
	return preg_match('/^\$wp_version\s*=\s*\'([^\']+)\'/m', $text, $match) ? $match[1] : '';
}

$wordpress = wordpress_version($root);
if ($wordpress === '') {
	problem("there is no WordPress in $root");
}
foreach (['wp-load.php', 'wp-config.php', 'wp-settings.php', 'wp-admin/index.php'] as $needed) {
	if (!is_file("$root/$needed")) {
		problem("WordPress is not whole: $needed is missing");
	}
}
take('core', 'wordpress', ['Version' => $wordpress]);
check_files($content);
check_plugins("$content/plugins", $wordpress);
check_themes("$content/themes", $wordpress);
check_must_use("$content/mu-plugins", $wordpress);
lint(sources($content));

if ($problems) {
	foreach (array_slice($problems, 0, SHOWN) as $line) {
		fwrite(STDERR, preg_replace('/[^[:print:]]/u', '?', $line) . "\n");
	}
	if (count($problems) > SHOWN) {
		fwrite(STDERR, 'and ' . (count($problems) - SHOWN) . " more\n");
	}
	exit(1);
}
echo json_encode($found, JSON_UNESCAPED_SLASHES | JSON_PRETTY_PRINT | JSON_PARTIAL_OUTPUT_ON_ERROR), "\n";
