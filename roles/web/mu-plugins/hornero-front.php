<?php
/*
 * Plugin Name: Hornero front
 * Description: Closes what tells strangers who may sign in, and names no door that is shut.
 */

/** Tells whether the asker is a stranger. Before it is known, nobody is anybody. */
function hornero_front_stranger(): bool {
	return !function_exists('is_user_logged_in') || !is_user_logged_in();
}

// /wp-json/wp/v2/users and all below, by any spelling: the route is read here as WordPress reads it.
add_filter('rest_pre_dispatch', function ($answer, $server, $request) {
	if (preg_match('#^/wp/v2/users(/|$)#i', rtrim($request->get_route(), '/')) && hornero_front_stranger()) {
		return new WP_Error('rest_user_cannot_view', 'Sorry, you are not allowed to list users.', ['status' => 401]);
	}
	return $answer;
}, 10, 3);

// ?author=1 is answered with the name. The pages of authors stay, by their names.
add_action('parse_request', function ($wp) {
	$listed = !empty($wp->query_vars['author']) || ($wp->query_vars['sitemap'] ?? '') === 'users';
	if ($listed && hornero_front_stranger()) {
		$wp->query_vars = ['error' => '404'];
	}
});

add_filter('wp_sitemaps_add_provider', function ($provider, $name) {
	return $name === 'users' ? false : $provider;
}, 10, 2);

if (!defined('HORNERO_XMLRPC') || !HORNERO_XMLRPC) {
	add_filter('xmlrpc_enabled', '__return_false');
	add_filter('pings_open', '__return_false', 99);
	add_filter('wp_headers', function ($headers) {
		unset($headers['X-Pingback']);
		return $headers;
	});
	remove_action('wp_head', 'rsd_link');
}

// A style sheet's or script's address names the code that it belongs to, so that it may be kept for a year.
foreach (['style_loader_src', 'script_loader_src', 'script_module_loader_src'] as $hook) {
	add_filter($hook, function ($address) {
		static $code = null;
		if ($code === null) {
			$code = (string) @include '/usr/share/hornero/web/code.php';
		}
		$own = strncmp((string) $address, home_url('/'), strlen(home_url('/'))) === 0 || strncmp((string) $address, '/', 1) === 0;
		if ($code === '' || !$own) {
			return $address;
		}
		return preg_replace('/([?&]ver=[^&#]+)/', '$1-' . $code, $address, 1);
	}, 999);
}
