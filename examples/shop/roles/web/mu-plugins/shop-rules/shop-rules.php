<?php
/**
 * Plugin Name: Shop rules
 * Description: What holds whatever an editor switches off: the payment provider's key is there, and the shop says so.
 * Version: 1.0
 * License: GPL-2.0-or-later
 */

add_action('send_headers', function () {
	header('X-Shop: ' . (defined('SHOP_API_KEY') && SHOP_API_KEY !== '' ? 'open' : 'closed'));
});
