<?php
/**
 * Plugin Name: Hornero: sessions
 * Description: Keeps PHP's sessions where every web node finds them: in the stack's database, or in its cache. Its name comes first, since plugins start sessions early.
 */

hornero_keep_sessions(defined('HORNERO_SESSIONS') ? HORNERO_SESSIONS : 'files');

function hornero_keep_sessions($where) {
	$prefix = $GLOBALS['table_prefix'];

	if ($where === 'database') {
		require_once '/usr/share/hornero/web/database-sessions.php';
		$table = Hornero_Database_Sessions::table($prefix);
		Hornero_Sessions::register(new Hornero_Database_Sessions($table, SECURE_AUTH_SALT));
	}

	if ($where === 'cache') {
		require_once '/usr/share/hornero/web/cache-sessions.php';
		Hornero_Sessions::register(new Hornero_Cache_Sessions(DB_NAME . ':' . $prefix, SECURE_AUTH_SALT));
	}
}
