package api

func (s *Server) projectRoutes() map[string]handler { return nil }
