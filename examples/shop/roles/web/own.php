<?php
// The key of the payment provider: `hornero secrets set shop.api_key`.
define('SHOP_API_KEY', {{secret "shop.api_key" | phpquote}});
