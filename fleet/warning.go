package fleet

// warnings are what is legal and unwise: no command changes it by itself.
func (f *Fleet) warnings(have found) []string {
	all := []string{}

	if len(f.Stack.OperatorAddresses) == 0 {
		all = append(all, "port 22 of every node is open to everybody; name in stack.yaml who may log in, as in "+
			"operator_addresses: [203.0.113.7, 198.51.100.0/24], then run `hornero up`")
	}

	return append(all, f.foreignFirewalls(have.firewalls, have.members)...)
}
