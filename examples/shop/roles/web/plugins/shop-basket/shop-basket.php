<?php
/**
 * Plugin Name: Shop basket
 * Description: Counts what a visitor put into his basket, in PHP's session.
 * Version: 0.9.1
 * Requires at least: 6.0
 * Requires PHP: 7.4
 * Requires Plugins: shop-catalogue
 * License: GPL-2.0-or-later
 */

defined('ABSPATH') || exit;

add_action('rest_api_init', function () {
	register_rest_route('shop/v1', '/basket', [
		'methods' => ['GET', 'POST'],
		'permission_callback' => '__return_true',
		'callback' => function (WP_REST_Request $request) {
			session_start();
			$_SESSION['basket'] = ($_SESSION['basket'] ?? 0) + ($request->get_method() === 'POST' ? 1 : 0);
			$count = $_SESSION['basket'];
			session_write_close();
			return ['items' => $count];
		},
	]);
});
