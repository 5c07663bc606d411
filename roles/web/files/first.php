<?php
// Asks this node for pages as a visitor gets them, through nginx and WordPress with its plugins and its theme.

const HORNERO_PAGES = ['/', '/wp-login.php', '/wp-json/'];

/** The pages' common end, in seconds: nginx waits for the health check no longer than ten. */
const HORNERO_PAGES_PATIENCE = 9;

/** Tells what is wrong with the node's pages; nothing when all are well. */
function hornero_broken_pages(string $site): string {
	$asked = curl_multi_init();
	$requests = [];

	foreach (HORNERO_PAGES as $page) {
		$requests[$page] = hornero_page($site, $page);
		curl_multi_add_handle($asked, $requests[$page]);
	}

	do {
		curl_multi_exec($asked, $running);
		curl_multi_select($asked, 0.1);
	} while ($running > 0);

	foreach ($requests as $page => $request) {
		$wrong = hornero_page_error($request);
		if ($wrong !== '') {
			return "$page $wrong";
		}
	}

	return '';
}

/** A request by the node's own address in the VPC, whose word about the visitor's scheme nginx takes. */
function hornero_page(string $site, string $page) {
	$host = $site === '' ? HORNERO_ADDRESS : parse_url($site, PHP_URL_HOST);
	$port = $site === '' ? null : parse_url($site, PHP_URL_PORT);
	$path = $site === '' ? '' : rtrim((string) parse_url($site, PHP_URL_PATH), '/');

	$request = curl_init('http://' . HORNERO_ADDRESS . $path . $page);
	curl_setopt_array($request, [
		CURLOPT_RETURNTRANSFER => true,
		CURLOPT_HEADER => true,
		CURLOPT_TIMEOUT => HORNERO_PAGES_PATIENCE,
		CURLOPT_PROXY => '',
		CURLOPT_HTTPHEADER => [
			'Host: ' . $host . ($port ? ":$port" : ''),
			'X-Forwarded-Proto: ' . (strpos($site, 'https:') === 0 ? 'https' : 'http'),
			// No page cache answers who has this one.
			'Cookie: wordpress_no_cache=1',
			'User-Agent: hornero',
			// hornero-first.php says then what a status cannot.
			'X-Hornero-First: 1',
		],
	]);

	return $request;
}

/** What is wrong with an answer. A site that says that it is being worked on is as its owner wants it. */
function hornero_page_error($request): string {
	$status = curl_getinfo($request, CURLINFO_RESPONSE_CODE);
	$answer = (string) curl_multi_getcontent($request);

	if ($status === 0) {
		return 'does not answer: ' . curl_error($request);
	}
	if ($status === 503 && preg_match('/^Retry-After:/mi', $answer)) {
		return '';
	}

	if (strpos($answer, '<!-- hornero: this page died -->') !== false) {
		return 'breaks off with an error';
	}

	return $status >= 500 ? "answers $status" : '';
}
