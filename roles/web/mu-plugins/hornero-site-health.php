<?php
/**
 * Plugin Name: Hornero: Site Health
 * Description: Takes out of Site Health what the stack does in its own way, and lets WordPress reach itself without leaving the node.
 */

require_once '/etc/wordpress/hornero-node.php';

add_filter('site_status_tests', 'hornero_site_status_tests');
add_filter('site_status_test_result', 'hornero_site_status_result');
add_filter('pre_http_request', 'hornero_ask_own_node', 10, 3);

// Without a cache server in the stack there is none to suggest.
add_filter('site_status_should_suggest_persistent_object_cache', '__return_false');

/** Leaves out tests of what the image does: code, and so every update, comes with it. */
function hornero_site_status_tests($tests) {
	foreach (['plugin_theme_auto_updates', 'update_temp_backup_writable', 'available_updates_disk_space'] as $name) {
		unset($tests['direct'][$name]);
	}
	unset($tests['async']['background_updates']);

	return $tests;
}

/** Finds nothing wrong with plugins and themes that are only there: they came with the image, and cannot be deleted. */
function hornero_site_status_result($result) {
	$of = ['plugin_version' => 'get_plugin_updates', 'theme_version' => 'get_theme_updates'];
	$test = $result['test'] ?? '';

	if (!isset($of[$test]) || $result['status'] !== 'recommended' || call_user_func($of[$test]) !== []) {
		return $result;
	}

	return array_merge($result, [
		'status' => 'good',
		'label' => 'Plugins and themes come with the image of the web nodes',
		'description' => '<p>None of them is known to be out of date.</p>',
	]);
}

/**
 * Answers a request of WordPress to itself from this node: the site's own address may lead through a balancer, which does
 * not serve its own nodes everywhere, and whose certificate need not be known here.
 */
function hornero_ask_own_node($answer, $arguments, $url) {
	$host = parse_url($url, PHP_URL_HOST);
	$own = parse_url(home_url(), PHP_URL_HOST);

	if ($answer !== false || !is_string($host) || $host === HORNERO_ADDRESS) {
		return $answer;
	}
	if (strcasecmp($host, (string) $own) !== 0) {
		return $answer;
	}

	$port = parse_url($url, PHP_URL_PORT);
	$scheme = parse_url($url, PHP_URL_SCHEME);

	// The node's address is a private one, which WordPress refuses where an address came from outside: this one did not.
	$arguments['reject_unsafe_urls'] = false;
	$arguments['headers'] = is_array($arguments['headers'] ?? null) ? $arguments['headers'] : [];
	$arguments['headers']['Host'] = $port ? "$host:$port" : $host;
	$arguments['headers']['X-Forwarded-Proto'] = $scheme;

	// nginx closes cron to all. Who asks for it here wants to know whether WordPress reaches itself.
	$url = preg_replace('~^([a-z]+://[^/?#]+)/wp-cron\.php.*~i', '$1/', $url);

	return wp_remote_request(preg_replace('~^[a-z]+://[^/?#]+~i', 'http://' . HORNERO_ADDRESS, $url), $arguments);
}
