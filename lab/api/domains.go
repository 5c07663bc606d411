package api

func (s *Server) domainRoutes() map[string]handler { return nil }
