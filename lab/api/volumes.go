package api

func (s *Server) volumeRoutes() map[string]handler { return nil }
