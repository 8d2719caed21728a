package hubspottest

import "net/http"

func (s *Server) serveControl(w http.ResponseWriter, r *http.Request, sub string) {
	http.NotFound(w, r)
}
