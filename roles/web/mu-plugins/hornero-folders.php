<?php
/*
Plugin Name: Hornero: must-use plugins in folders
Description: WordPress loads files of mu-plugins only. This loads NAME/NAME.php of each folder in it.
*/
foreach (glob(__DIR__ . '/*', GLOB_ONLYDIR) as $hornero_folder) {
	$hornero_file = $hornero_folder . '/' . basename($hornero_folder) . '.php';
	if (is_file($hornero_file)) {
		require_once $hornero_file;
	}
}
unset($hornero_folder, $hornero_file);
