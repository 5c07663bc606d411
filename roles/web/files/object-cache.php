<?php
// WordPress' object cache in the stack's cache (role cache), one for all web nodes. HAProxy on loopback finds the node that has
// the server. Without one WordPress asks the database as ever; what could not be told to the cache meanwhile is remembered
// there, and the cache is emptied when it is back (000-hornero-object-cache.php).
require_once __DIR__ . '/cache-server.php';

const HORNERO_CACHE_MISSED = 'hornero_cache_missed';

class WP_Object_Cache {
	public $cache_hits = 0;
	public $cache_misses = 0;

	private $server;
	private $prefix;
	private $known = [];  // what this request read or wrote, by the server's key
	private $local = [];  // groups that stay in the request
	private $missed = false;  // the cache was not told a new value
	private $kept = false;    // or not that something is gone

	public function __construct() {
		$this->server = new Hornero_Cache_Server('object cache', 'the database is asked instead');
		// A site with a schema of its own has its own names; those of the first site stay as earlier images have them.
		$site = $GLOBALS['table_prefix'] . ' ' . HORNERO_URL . (DB_NAME === 'wordpress' ? '' : ' ' . DB_NAME);
		$this->prefix = substr(hash('sha256', $site), 0, 16);

		// After PHP's end of the request, and after all plugins: what failed until then counts.
		register_shutdown_function([$this, 'remember']);
	}

	public function get($key, $group = 'default', $force = false, &$found = null) {
		$values = $this->get_multiple([$key], $group, $force);
		$found = array_key_exists($key, $this->last);

		return $found ? $values[$key] : false;
	}

	private $last = []; // what get_multiple found

	public function get_multiple($keys, $group = 'default', $force = false) {
		$this->last = [];
		$ask = [];

		foreach ($keys as $key) {
			$name = $this->name($key, $group);

			if (array_key_exists($name, $this->known) && (!$force || $this->isLocal($key, $group))) {
				$this->last[$key] = self::copy($this->known[$name]);
			} elseif (!$this->isLocal($key, $group)) {
				$ask[$name] = $key;
			}
		}

		$answers = $ask === [] ? [] : $this->server->ask(array_merge(['MGET'], array_map('strval', array_keys($ask))));
		foreach (array_values($ask) as $i => $key) {
			if (isset($answers[$i])) {
				$value = self::decode($answers[$i]);
				$this->known[$this->name($key, $group)] = $value;
				$this->last[$key] = self::copy($value);
			}
		}

		$this->cache_hits += count($this->last);
		$this->cache_misses += count($keys) - count($this->last);

		$all = [];
		foreach ($keys as $key) {
			$all[$key] = array_key_exists($key, $this->last) ? $this->last[$key] : false;
		}

		return $all;
	}

	public function add($key, $value, $group = 'default', $expire = 0) {
		if (wp_suspend_cache_addition() || array_key_exists($this->name($key, $group), $this->known)) {
			return false;
		}

		// What another request has added already goes before. A cache that is away misses nothing by this.
		return $this->put($key, $value, $group, $expire, 'NX');
	}

	public function set($key, $value, $group = 'default', $expire = 0) {
		return $this->put($key, $value, $group, $expire, '');
	}

	public function replace($key, $value, $group = 'default', $expire = 0) {
		$this->get($key, $group, false, $found);
		return $found && $this->put($key, $value, $group, $expire, '');
	}

	private function put($key, $value, $group, $expire, $condition) {
		$value = self::copy($value);
		$name = $this->name($key, $group);

		if (!$this->isLocal($key, $group)) {
			$words = ['SET', $name, self::encode($value)];
			if ((int) $expire > 0) {
				array_push($words, 'EX', (string) (int) $expire);
			}
			if ($condition !== '') {
				$words[] = $condition;
			}

			$answer = $this->server->ask($words);
			if ($condition !== '' && $answer === null && $this->server->isThere()) {
				return false;
			}
			$this->missed = $this->missed || $condition === '' && $answer === null;
		}

		$this->known[$name] = $value;

		return true;
	}

	public function delete($key, $group = 'default') {
		$name = $this->name($key, $group);
		$there = array_key_exists($name, $this->known);
		unset($this->known[$name]);

		if ($this->isLocal($key, $group)) {
			return $there;
		}

		$answer = $this->server->ask(['DEL', $name]);
		$this->kept = $this->kept || $answer === null;

		return $answer === null ? $there : $answer > 0;
	}

	public function incr($key, $by = 1, $group = 'default') {
		$value = $this->get($key, $group, true, $found);
		if (!$found) {
			return false;
		}

		$value = max(0, (is_numeric($value) ? $value : 0) + (int) $by);
		$this->set($key, $value, $group);

		return $value;
	}

	public function flush() {
		$this->known = [];
		$answer = $this->server->ask(['FLUSHDB']);
		$this->kept = $this->kept || $answer === null;

		return $answer !== null;
	}

	public function flush_runtime() {
		$this->known = [];
		return true;
	}

	/** Makes groups stay in the request. */
	public function keepLocal($groups) {
		foreach ((array) $groups as $group) {
			$this->local[$group] = true;
		}
	}

	/** Writes down that the cache has something that is not so any more. All pages load the option anyway. */
	public function remember() {
		$database = $GLOBALS['wpdb'] ?? null;
		if (!$this->missed && !$this->kept || $database === null || !$database->ready) {
			return;
		}

		// While the cache is away every page has values for it. One word is enough for all of them.
		$options = $this->known[$this->name('alloptions', 'options')] ?? [];
		if (!$this->kept && isset($options[HORNERO_CACHE_MISSED])) {
			return;
		}

		$database->suppress_errors();
		$database->query($database->prepare(
			"REPLACE INTO {$database->options} (option_name, option_value, autoload) VALUES (%s, %s, 'yes')",
			HORNERO_CACHE_MISSED,
			bin2hex(random_bytes(8))
		));
	}

	/**
	 * Tells whether something stays in the request. An old copy of all options, written back by a slow request, would undo
	 * a setting: they come from the database each time.
	 */
	private function isLocal($key, $group) {
		return isset($this->local[$group]) || $group === 'options' && in_array($key, ['alloptions', 'notoptions'], true);
	}

	private function name($key, $group) {
		return $this->prefix . ':' . ($group === '' ? 'default' : $group) . ':' . $key;
	}

	private static function copy($value) {
		return is_object($value) ? clone $value : $value;
	}

	private static function encode($value) {
		return is_int($value) ? (string) $value : serialize($value);
	}

	private static function decode($text) {
		return preg_match('/^-?[0-9]+$/', $text) ? (int) $text : unserialize($text);
	}
}

function wp_cache_init() {
	$GLOBALS['wp_object_cache'] = new WP_Object_Cache();
}

function wp_cache_add($key, $data, $group = '', $expire = 0) {
	return $GLOBALS['wp_object_cache']->add($key, $data, $group, $expire);
}

function wp_cache_add_multiple(array $data, $group = '', $expire = 0) {
	return hornero_cache_each('add', $data, $group, $expire);
}

function wp_cache_replace($key, $data, $group = '', $expire = 0) {
	return $GLOBALS['wp_object_cache']->replace($key, $data, $group, $expire);
}

function wp_cache_set($key, $data, $group = '', $expire = 0) {
	return $GLOBALS['wp_object_cache']->set($key, $data, $group, $expire);
}

function wp_cache_set_multiple(array $data, $group = '', $expire = 0) {
	return hornero_cache_each('set', $data, $group, $expire);
}

function hornero_cache_each($how, array $data, $group, $expire) {
	$done = [];
	foreach ($data as $key => $value) {
		$done[$key] = $GLOBALS['wp_object_cache']->$how($key, $value, $group, $expire);
	}

	return $done;
}

function wp_cache_get($key, $group = '', $force = false, &$found = null) {
	return $GLOBALS['wp_object_cache']->get($key, $group, $force, $found);
}

function wp_cache_get_multiple($keys, $group = '', $force = false) {
	return $GLOBALS['wp_object_cache']->get_multiple($keys, $group, $force);
}

function wp_cache_delete($key, $group = '') {
	return $GLOBALS['wp_object_cache']->delete($key, $group);
}

function wp_cache_delete_multiple(array $keys, $group = '') {
	$done = [];
	foreach ($keys as $key) {
		$done[$key] = wp_cache_delete($key, $group);
	}

	return $done;
}

function wp_cache_incr($key, $offset = 1, $group = '') {
	return $GLOBALS['wp_object_cache']->incr($key, $offset, $group);
}

function wp_cache_decr($key, $offset = 1, $group = '') {
	return $GLOBALS['wp_object_cache']->incr($key, -$offset, $group);
}

function wp_cache_flush() {
	return $GLOBALS['wp_object_cache']->flush();
}

function wp_cache_flush_runtime() {
	return $GLOBALS['wp_object_cache']->flush_runtime();
}

function wp_cache_flush_group($group) {
	return false;
}

function wp_cache_supports($feature) {
	return in_array($feature, ['add_multiple', 'set_multiple', 'get_multiple', 'delete_multiple', 'flush_runtime'], true);
}

function wp_cache_close() {
	return true;
}

function wp_cache_add_global_groups($groups) {}

function wp_cache_add_non_persistent_groups($groups) {
	$GLOBALS['wp_object_cache']->keepLocal($groups);
}

function wp_cache_switch_to_blog($blog_id) {}

function wp_cache_reset() {
	wp_cache_flush_runtime();
}
