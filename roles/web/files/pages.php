<?php
// nginx' page cache, emptied: here, and on the other web nodes. It knows nothing of WordPress. Run as a program it empties
// this node's.
const HORNERO_STORED = '/var/cache/hornero-pages';
const HORNERO_PAGES_NODES = '/etc/hornero-web/pages.json';
const HORNERO_PAGES_RUN = '/run/php/hornero-pages.';
const HORNERO_PAGES_PAUSE = 0.8; // seconds between two words to the others: with the sending a change is seen within a second
const HORNERO_PAGES_CLOCKS = 300; // seconds that two nodes' clocks may be apart
const HORNERO_PAGES_STORED = [0.05, 1]; // seconds after which nginx has stored what PHP has ended: as a rule, and on a busy machine

/** Empties this node's cache after a change. */
function hornero_pages_empty() {
	// First the mark: a page that is being made now may be of before the change, and is dropped by who made it.
	@file_put_contents(HORNERO_PAGES_RUN . 'emptied', sprintf('%.6F', microtime(true)));
	hornero_pages_drop();
}

/** Removes what is stored; with a time, what was begun before it. nginx bears that its files go. */
function hornero_pages_drop(float $before = INF) {
	foreach (glob(HORNERO_STORED . '/*/*/*') ?: [] as $file) {
		if ($before === INF || hornero_pages_begun($file) < $before) {
			@unlink($file);
		}
	}
}

/** Tells when a stored page was begun, which is in its header (mu-plugins/hornero-pages.php); 0 when it does not say. */
function hornero_pages_begun(string $file): float {
	$head = (string) @file_get_contents($file, false, null, 0, 16384);
	return preg_match('/^X-Hornero-Begun: *([0-9.]+)/mi', $head, $found) ? (float) $found[1] : 0;
}

/**
 * Removes the pages that were begun before the cache was emptied and are stored after it: PHP has ended them, and nginx
 * stores them in its own time. It is the last that a request does.
 */
function hornero_pages_drop_late() {
	if (function_exists('fastcgi_finish_request')) {
		fastcgi_finish_request(); // nobody waits for the answer meanwhile
	}
	$emptied = hornero_pages_emptied();
	foreach (HORNERO_PAGES_STORED as $wait) {
		usleep((int) (1e6 * $wait));
		hornero_pages_drop($emptied);
	}
}

/** Tells when this node's cache was emptied last, in seconds; 0 for never. */
function hornero_pages_emptied(): float {
	return (float) @file_get_contents(HORNERO_PAGES_RUN . 'emptied');
}

/** Something that visitors see is different: no web node answers with an older page any more. */
function hornero_pages_changed() {
	$turn = @fopen(HORNERO_PAGES_RUN . 'turn', 'c');
	if ($turn && !flock($turn, LOCK_EX | LOCK_NB)) {
		return; // Somebody waits for his turn, and what he will say holds for this change, too.
	}

	$wait = (float) @file_get_contents(HORNERO_PAGES_RUN . 'told') + HORNERO_PAGES_PAUSE - microtime(true);
	if ($wait > 0) {
		if (function_exists('fastcgi_finish_request')) {
			fastcgi_finish_request(); // nobody waits for the answer meanwhile
		}
		usleep((int) (1e6 * min($wait, HORNERO_PAGES_PAUSE)));
	}
	@file_put_contents(HORNERO_PAGES_RUN . 'told', sprintf('%.6F', microtime(true)));
	if ($turn) {
		flock($turn, LOCK_UN);
	}

	hornero_pages_empty();
	hornero_pages_tell();
	hornero_pages_drop_late();
}

/** Tells the other web nodes, all at once. One that does not hear has its pages for their life. */
function hornero_pages_tell() {
	$known = hornero_pages_known();
	if (!$known['nodes'] || !function_exists('curl_multi_init')) {
		return;
	}

	$all = curl_multi_init();
	$calls = [];
	foreach ($known['nodes'] as $node) {
		$call = curl_init("http://$node/empty");
		curl_setopt_array($call, [
			CURLOPT_POST => true,
			CURLOPT_POSTFIELDS => '',
			CURLOPT_HTTPHEADER => ['X-Hornero-Signature: ' . hornero_pages_signature($known['key'], time())],
			CURLOPT_PROXY => '',
			CURLOPT_CONNECTTIMEOUT_MS => 500,
			CURLOPT_TIMEOUT_MS => 2000,
			CURLOPT_RETURNTRANSFER => true,
		]);
		curl_multi_add_handle($all, $call);
		$calls[$node] = $call;
	}

	do {
		curl_multi_exec($all, $running);
		if ($running && curl_multi_select($all, 0.1) < 0) {
			usleep(10000);
		}
	} while ($running);

	foreach ($calls as $node => $call) {
		$code = curl_getinfo($call, CURLINFO_RESPONSE_CODE);
		if ($code !== 204) {
			error_log("page cache of $node: " . ($code ? "answer $code" : curl_error($call)));
		}
	}
}

/** Reads who the others are, and the key that all have. */
function hornero_pages_known(): array {
	$known = json_decode((string) @file_get_contents(HORNERO_PAGES_NODES), true);
	return (is_array($known) ? $known : []) + ['key' => '', 'nodes' => []];
}

function hornero_pages_signature(string $key, int $time): string {
	return $time . '-' . hash_hmac('sha256', "empty $time", $key);
}

/** Tells whether a web node of the stack signed this, lately. */
function hornero_pages_signed(string $signature): bool {
	$key = hornero_pages_known()['key'];
	$time = (int) $signature;
	return $key !== '' && abs(time() - $time) <= HORNERO_PAGES_CLOCKS
		&& hash_equals(hornero_pages_signature($key, $time), $signature);
}

if (PHP_SAPI === 'cli' && realpath($_SERVER['argv'][0] ?? '') === __FILE__) {
	hornero_pages_empty();
	hornero_pages_drop_late();
	echo "the page cache is empty\n";
}
