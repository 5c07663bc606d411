<?php
/**
 * Plugin Name: Hornero: first pages
 * Description: Tells the node's own first look at the site (first.php) that a page died. One that dies in the middle has said 200 already.
 */

if (isset($_SERVER['HTTP_X_HORNERO_FIRST'])) {
	register_shutdown_function('hornero_first_died');
}

/** Says no more than that: anybody may send the header, and the reason stands in the journal. */
function hornero_first_died() {
	$error = error_get_last();
	if ($error !== null && in_array($error['type'], [E_ERROR, E_PARSE, E_COMPILE_ERROR, E_RECOVERABLE_ERROR], true)) {
		echo "\n<!-- hornero: this page died -->\n";
	}
}
