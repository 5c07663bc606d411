<?php
/**
 * Plugin Name: Hornero: sessions
 * Description: Keeps PHP's sessions in the stack's database, where every web node finds them. Its name comes first, since plugins start sessions early.
 */

if (defined('HORNERO_SESSIONS') && HORNERO_SESSIONS === 'database') {
	require_once '/usr/share/hornero/web/sessions.php';
	Hornero_Sessions::register(Hornero_Sessions::table($GLOBALS['table_prefix']), SECURE_AUTH_SALT);
}
