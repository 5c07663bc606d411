<?php
// What the owner's tools have in common.
require __DIR__ . '/database.php';

/** Ends the program with a word about what is wrong. */
function owner_stop(string $why) {
	fwrite(STDERR, "$why\n");
	exit(1);
}

/** Ends the program when its words are not as many as it takes. */
function owner_words(array $words, int $count, string $usage): array {
	if (count($words) !== $count) {
		owner_stop("usage: hornero $usage");
	}
	return $words;
}

/** Loads WordPress as it serves the site; the caller needs its global variables to be global. */
function owner_wordpress() {
	hornero_pretend_request(HORNERO_URL === '' ? 'http://localhost' : HORNERO_URL);

	// A plugin that dies takes the program with it, and its own word for visitors would be all there is.
	register_shutdown_function(function () {
		$error = error_get_last();
		if ($error !== null && in_array($error['type'], [E_ERROR, E_PARSE, E_COMPILE_ERROR, E_RECOVERABLE_ERROR], true)) {
			fwrite(STDERR, "WordPress stopped: {$error['message']} ({$error['file']}:{$error['line']})\n");
		}
	});

	return HORNERO_WORDPRESS . '/wp-load.php';
}
