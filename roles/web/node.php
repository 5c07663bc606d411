<?php
// Written by hornero-bootstrap. What this web node has of its own; all else is the same on all of them.
define('HORNERO_ADDRESS', {{phpquote .Address}}); // in the VPC
