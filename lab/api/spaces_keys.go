package api

func (s *Server) spacesKeyRoutes() map[string]handler { return nil }
