<?php
// WordPress loads this before its own object cache. Where stack.yaml does not ask for the stack's cache, it defines nothing.
if (defined('HORNERO_OBJECT_CACHE') && HORNERO_OBJECT_CACHE) {
	require_once '/usr/share/hornero/web/object-cache.php';
}
