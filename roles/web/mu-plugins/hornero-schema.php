<?php
/**
 * Plugin Name: Hornero: schema
 * Description: Keeps administrators away from WordPress' own database update. One node of the stack makes it when the last one with an older WordPress is gone (schema.php).
 */

if (!defined('HORNERO_SCHEMA_UPDATE')) {
	// WordPress sends administrators to upgrade.php when the numbers differ, whichever is greater.
	add_filter('pre_option_db_version', 'hornero_db_version');
}

function hornero_db_version() {
	return $GLOBALS['wp_db_version'];
}
