<?php
/*
Plugin Name: Hornero: code comes with the image
Description: Says, where WordPress would only refuse, how plugins, themes and WordPress itself come to this site.
*/

/** The pages on which WordPress installs, updates or edits code. */
const HORNERO_CODE_PAGES = ['plugin-install.php', 'plugin-editor.php', 'theme-install.php', 'theme-editor.php', 'update.php', 'update-core.php'];

/** What the refusals of WordPress' REST interface are called. */
const HORNERO_CODE_REFUSALS = ['rest_cannot_install_plugin', 'rest_cannot_delete_plugin', 'rest_cannot_install_theme', 'rest_cannot_delete_theme'];

function hornero_code_sentence() {
	return 'Code comes with the image of this site: it is the same on every server, and nobody can change it on a running one. '
		. 'Whoever operates the site puts a plugin into roles/web/plugins, a theme into roles/web/themes, or names its archive in '
		. 'roles/web/more.yaml; then "hornero images bake" and "hornero roll web" bring it. Plugins that are here are switched on '
		. 'and off as ever.';
}

// Before WordPress looks at the page's permission, which nobody has.
add_action('admin_menu', function () {
	if (in_array($GLOBALS['pagenow'] ?? '', HORNERO_CODE_PAGES, true) && is_user_logged_in() && current_user_can('activate_plugins')) {
		wp_die(esc_html(hornero_code_sentence()), 'Code comes with the image', ['response' => 403, 'back_link' => true]);
	}
}, 0);

add_action('admin_notices', function () {
	if (in_array($GLOBALS['pagenow'] ?? '', ['plugins.php', 'themes.php'], true) && current_user_can('activate_plugins')) {
		echo '<div class="notice notice-info"><p>' . esc_html(hornero_code_sentence()) . '</p></div>';
	}
});

add_filter('rest_request_after_callbacks', function ($answer) {
	if (is_wp_error($answer) && in_array($answer->get_error_code(), HORNERO_CODE_REFUSALS, true)) {
		return new WP_Error($answer->get_error_code(), hornero_code_sentence(), $answer->get_error_data());
	}
	return $answer;
});
