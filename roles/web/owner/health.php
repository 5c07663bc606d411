<?php
// Prints what WordPress' Site Health would say, the worst first. Nothing but good news is exit code 0; a critical finding, 1.
require __DIR__ . '/owner.php';

owner_words(array_slice($argv, 1), 0, 'site health');

require owner_wordpress();
require_once ABSPATH . 'wp-admin/includes/admin.php';
if (version_compare($wp_version, '5.2', '<')) {
	owner_stop("WordPress $wp_version has no Site Health");
}
require_once ABSPATH . 'wp-admin/includes/class-wp-site-health.php';

// Some of the tests ask what the administrator may.
$administrators = get_users(['role' => 'administrator', 'number' => 1]);
if ($administrators === []) {
	owner_stop('the site has no administrator');
}
wp_set_current_user($administrators[0]->ID);

// And some ask the site for a page as he would, signed in.
$sessions = WP_Session_Tokens::get_instance(get_current_user_id());
$until = time() + 10 * MINUTE_IN_SECONDS;
$token = $sessions->create($until);
foreach ([AUTH_COOKIE => 'auth', SECURE_AUTH_COOKIE => 'secure_auth', LOGGED_IN_COOKIE => 'logged_in'] as $cookie => $scheme) {
	$_COOKIE[$cookie] = wp_generate_auth_cookie(get_current_user_id(), $until, $scheme, $token);
}

/** The tests as what can be called. Those that a browser asks for one by one can be called as well. */
function owner_health_tests(WP_Site_Health $health): array {
	$all = WP_Site_Health::get_tests();
	$calls = [];

	foreach ($all['direct'] as $name => $test) {
		$call = is_string($test['test']) ? [$health, "get_test_{$test['test']}"] : $test['test'];
		$calls[$name] = $call;
	}
	foreach ($all['async'] as $name => $test) {
		$calls[$name] = $test['async_direct_test'] ?? null;
	}

	return array_filter($calls, 'is_callable');
}

$findings = ['critical' => [], 'recommended' => [], 'good' => []];
foreach (owner_health_tests(WP_Site_Health::get_instance()) as $name => $call) {
	$found = apply_filters('site_status_test_result', call_user_func($call));
	$findings[$found['status'] ?? 'good'][] = [$name, $found];
}

$sessions->destroy($token);

foreach (['critical', 'recommended'] as $status) {
	foreach ($findings[$status] as list($name, $found)) {
		$text = trim(preg_replace('/\s+/', ' ', html_entity_decode(wp_strip_all_tags($found['description']), ENT_QUOTES)));
		echo "$status: $name: {$found['label']}\n    $text\n";
	}
}

printf("%d critical, %d recommended, %d good\n", ...array_map('count', array_values($findings)));
exit($findings['critical'] === [] ? 0 : 1);
