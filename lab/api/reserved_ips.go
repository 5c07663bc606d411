package api

func (s *Server) reservedIPRoutes() map[string]handler { return nil }
