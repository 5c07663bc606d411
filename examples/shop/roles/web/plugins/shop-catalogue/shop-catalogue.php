<?php
/**
 * Plugin Name: Shop catalogue
 * Description: Products with a price, and the short code [products] that lists them.
 * Version: 1.2.0
 * Requires at least: 6.0
 * Requires PHP: 7.4
 * License: GPL-2.0-or-later
 */

defined('ABSPATH') || exit;

add_action('init', function () {
	register_post_type('product', [
		'label' => 'Products',
		'public' => true,
		'has_archive' => 'products',
		'show_in_rest' => true,
		'supports' => ['title', 'editor', 'thumbnail', 'custom-fields'],
	]);
	register_post_meta('product', 'price', ['type' => 'number', 'single' => true, 'show_in_rest' => true]);
});

add_shortcode('products', function () {
	$lines = '';
	foreach (get_posts(['post_type' => 'product', 'numberposts' => 50, 'orderby' => 'title', 'order' => 'ASC']) as $product) {
		$price = number_format_i18n((float) get_post_meta($product->ID, 'price', true), 2);
		$lines .= sprintf('<li><a href="%s">%s</a>: %s</li>', esc_url(get_permalink($product)), esc_html($product->post_title), esc_html($price));
	}
	return "<ul class=\"products\">$lines</ul>";
});
