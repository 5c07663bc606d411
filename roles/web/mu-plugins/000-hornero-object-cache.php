<?php
/**
 * Plugin Name: Hornero: object cache
 * Description: Empties the stack's cache when one of the web nodes could not tell it what had changed.
 */

if (defined('HORNERO_OBJECT_CACHE') && HORNERO_OBJECT_CACHE) {
	hornero_cache_catch_up();
}

/** The word stands among the options that every page loads anyway, from the database and never from the cache. */
function hornero_cache_catch_up() {
	$word = wp_load_alloptions()[HORNERO_CACHE_MISSED] ?? '';

	// A word that another node writes meanwhile stays, and is another one.
	if ($word !== '' && wp_cache_flush()) {
		$GLOBALS['wpdb']->delete($GLOBALS['wpdb']->options, ['option_name' => HORNERO_CACHE_MISSED, 'option_value' => $word]);
	}
}
