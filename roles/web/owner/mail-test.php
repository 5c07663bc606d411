<?php
// Sends a letter as WordPress sends its own, and says what the server said.
require __DIR__ . '/owner.php';

list($address) = owner_words(array_slice($argv, 1), 1, 'site mail-test ADDRESS');

require owner_wordpress();

if (!is_email($address)) {
	owner_stop("$address is no mail address");
}
if (!defined('HORNERO_SMTP')) {
	fwrite(STDERR, "stack.yaml names no mail server (roles.web.smtp_host): unless a plugin has one, nothing is sent\n");
}

$why = 'no reason given';
add_action('wp_mail_failed', function ($error) use (&$why) {
	$why = $error->get_error_message();
});

$site = wp_specialchars_decode(get_bloginfo('name'), ENT_QUOTES);
$sent = wp_mail($address, "Test letter from $site", "This letter was asked for by the operator of $site.\n");
if (!$sent) {
	owner_stop("the letter was not sent: $why");
}
echo "the mail server took a letter to $address\n";
