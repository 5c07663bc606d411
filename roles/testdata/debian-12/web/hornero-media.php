<?php
// Written by hornero-bootstrap. Where visitors are sent for pictures; empty: to the site itself.
return array('url' => rtrim('', '/'));
