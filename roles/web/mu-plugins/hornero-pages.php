<?php
/*
 * Plugin Name: Hornero page cache
 * Description: Keeps one visitor's own pages out of nginx' page cache, and empties it on all web nodes when something that visitors see changes.
 */
if (!defined('HORNERO_PAGE_CACHE') || !HORNERO_PAGE_CACHE) {
	return;
}
require_once '/usr/share/hornero/web/pages.php';

/** Remembers that visitors see something else now. */
function hornero_pages_note() {
	$GLOBALS['hornero_pages_noted'] = true;
}

/** Notes a post that visitors can see; drafts, revisions and orders change no page. */
function hornero_pages_note_post($post) {
	$post = get_post($post);
	$type = $post ? get_post_type_object($post->post_type) : null;
	if (!$type || !in_array($post->post_status, ['publish', 'inherit'], true) || $post->post_type === 'revision') {
		return;
	}
	if ($type->public || in_array($post->post_type, ['nav_menu_item', 'wp_block', 'wp_template', 'wp_template_part',
		'wp_global_styles', 'wp_navigation', 'custom_css'], true)) {
		hornero_pages_note();
	}
}

/** Notes options that pages are made of. What plugins keep for themselves is written all day. */
function hornero_pages_note_option(string $name) {
	static $shown = [
		'active_plugins', 'blog_charset', 'blogdescription', 'blogname', 'blog_public', 'category_base', 'comment_order',
		'comments_per_page', 'date_format', 'default_comments_page', 'gmt_offset', 'page_comments', 'page_for_posts',
		'page_on_front', 'permalink_structure', 'posts_per_page', 'posts_per_rss', 'show_avatars', 'show_on_front',
		'sidebars_widgets', 'site_icon', 'site_logo', 'start_of_week', 'sticky_posts', 'stylesheet', 'tag_base', 'template',
		'thread_comments', 'time_format', 'timezone_string', 'WPLANG',
	];
	if (in_array($name, $shown, true) || preg_match('/^(widget_|theme_mods_)/', $name)) {
		hornero_pages_note();
	}
}

add_action('transition_post_status', function ($new, $old, $post) {
	if ($new !== $old && ($new === 'publish' || $old === 'publish')) {
		$type = get_post_type_object($post->post_type);
		if ($type && ($type->public || $post->post_type === 'nav_menu_item')) {
			hornero_pages_note();
		}
	}
}, 10, 3);
add_action('clean_post_cache', 'hornero_pages_note_post');
// Not clean_term_cache: each draft that is saved counts the posts of its category anew.
foreach (['created_term', 'edited_term', 'delete_term', 'added_term_meta', 'updated_term_meta', 'wp_update_nav_menu', 'switch_theme', 'customize_save_after', 'hornero_pages_changed',
	'woocommerce_product_set_stock', 'woocommerce_variation_set_stock', 'woocommerce_product_set_stock_status'] as $hook) {
	add_action($hook, 'hornero_pages_note');
}
foreach (['set_object_terms', 'deleted_term_relationships'] as $hook) {
	add_action($hook, 'hornero_pages_note_post');
}
foreach (['updated_option', 'added_option', 'deleted_option'] as $hook) {
	add_action($hook, 'hornero_pages_note_option');
}
add_action('wp_insert_comment', function ($id, $comment) {
	if ((string) $comment->comment_approved === '1') {
		hornero_pages_note();
	}
}, 10, 2);
add_action('transition_comment_status', function ($new, $old) {
	if ($new === 'approved' || $old === 'approved') {
		hornero_pages_note();
	}
}, 10, 2);
foreach (['edit_comment', 'deleted_comment'] as $hook) {
	add_action($hook, 'hornero_pages_note');
}

// Once, at the very end: one publication comes by many hooks.
add_action('shutdown', function () {
	if (!empty($GLOBALS['hornero_pages_noted'])) {
		$GLOBALS['hornero_pages_noted'] = false;
		hornero_pages_changed();
		return;
	}
	// A page that was begun before a change may be stored after it.
	if (PHP_SAPI !== 'cli' && hornero_pages_emptied() > (float) ($_SERVER['REQUEST_TIME_FLOAT'] ?? 0)) {
		hornero_pages_drop_late();
	}
}, PHP_INT_MAX);

// The last moment in which a header can be sent: by then every plugin has said what it has to say.
header_register_callback(function () {
	$own = defined('DONOTCACHEPAGE') && DONOTCACHEPAGE || session_status() === PHP_SESSION_ACTIVE;
	if ($own) {
		header('X-Accel-Expires: 0');
	}
	// What is stored says when it was begun: a change that came meanwhile removes it.
	header('X-Hornero-Begun: ' . sprintf('%.6F', $_SERVER['REQUEST_TIME_FLOAT'] ?? 0));
	// nginx stores a page for those who read gzip and one for the others, and tells who asks.
	if (preg_grep('/^Vary: *Accept-Encoding$/i', headers_list()) && !preg_grep('/^Vary: *(?!Accept-Encoding$)/i', headers_list())) {
		header_remove('Vary');
	}
});
