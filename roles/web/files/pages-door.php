<?php
// Another web node's word that a page changed.
require __DIR__ . '/pages.php';

if (!hornero_pages_signed($_SERVER['HTTP_X_HORNERO_SIGNATURE'] ?? '')) {
	http_response_code(403);
	exit("this is signed by no web node of the stack\n");
}
hornero_pages_empty();
http_response_code(204);
hornero_pages_drop_late();
