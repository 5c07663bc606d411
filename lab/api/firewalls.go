package api

func (s *Server) firewallRoutes() map[string]handler { return nil }
