package fleet_test

// addressChanges have a row for each key that names who may reach the stack.
func addressChanges() map[string]keyChange {
	return map[string]keyChange{
		"client_addresses": {
			from: "drift: report\n",
			to:   "drift: report\nclient_addresses: [10.9.0.0/16]\n",
			want: append(
				[]string{"change firewall hornero-blog-proxy: port 3306 from tag hornero:blog:role:"},
				replaced("proxy-1", "proxy-2")...,
			),
		},

		"operator_addresses": {
			from: "drift: report\n",
			to:   "drift: report\noperator_addresses: [203.0.113.0/24]\n",
			want: []string{
				"change firewall hornero-blog-db: port 22 from 0.0.0.0/0, ::/0 -> 203.0.113.0/24",
				"change firewall hornero-blog-proxy: port 22 from ",
				"change firewall hornero-blog-api: port 22 from ",
				"change firewall hornero-blog-web: port 22 from ",
			},
		},
	}
}
