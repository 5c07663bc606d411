<?php
/**
 * Plugin Name: Hornero: mail
 * Description: Sends letters by the server that stack.yaml names (roles.web.smtp_host). A mail plugin of the owner's goes before it.
 */

if (defined('HORNERO_SMTP')) {
	add_action('phpmailer_init', 'hornero_use_smtp', 5);
	add_filter('wp_mail_from', 'hornero_mail_from', 5);
}

// Without a server a letter fails as well, and the owner looks for the reason in the journal.
add_action('wp_mail_failed', 'hornero_log_failed_mail');

/** Tells PHPMailer the server. A mailer that somebody set up before stays as it is. */
function hornero_use_smtp($mailer) {
	if ($mailer->Mailer === 'smtp') {
		return;
	}

	$smtp = HORNERO_SMTP;
	$mailer->isSMTP();
	$mailer->Host = $smtp['host'];
	$mailer->Port = $smtp['port'];

	// Its default is five minutes, longer than a page may take.
	$mailer->Timeout = 10;

	$mailer->SMTPSecure = ['starttls' => 'tls', 'tls' => 'ssl', 'none' => ''][$smtp['security']];
	$mailer->SMTPAutoTLS = $smtp['security'] !== 'none';

	$mailer->SMTPAuth = $smtp['user'] !== '';
	$mailer->Username = $smtp['user'];
	$mailer->Password = $smtp['password'];

	$host = parse_url(home_url(), PHP_URL_HOST);
	if (is_string($host)) {
		$mailer->Hostname = $host;
	}
}

/** Replaces WordPress' own sender, an address that nobody has. What a plugin says stays. */
function hornero_mail_from($from) {
	$wanted = HORNERO_SMTP['from'];
	return $wanted !== '' && strpos($from, 'wordpress@') === 0 ? $wanted : $from;
}

/** Notes who did not get which letter, and never what was in it: it may be a link that sets a password. */
function hornero_log_failed_mail($error) {
	$data = (array) $error->get_error_data();
	$to = implode(', ', (array) ($data['to'] ?? []));
	error_log("mail to $to (" . ($data['subject'] ?? '') . ') was not sent: ' . $error->get_error_message());
}
