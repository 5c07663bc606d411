<?php
// Lines of the stack's own for wp-config.php, as roles/web/own.php beside stack.yaml: constants that plugins ask for, with
// secrets that roles/web/more.yaml names.
