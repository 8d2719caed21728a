package notify

import (
	"crypto/hmac"
	"fmt"
	"html"
	"net/http"
	"regexp"
)

var pageID = regexp.MustCompile(`^[0-9a-f]{32}(-2)?$`)

// AckHandler takes acknowledgements: Page.Acknowledge leads to it. A GET, as
// a chat makes it to preview a link, shows a button; only a POST acknowledges.
func (s *Sink) AckHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, token := r.URL.Query().Get("id"), r.URL.Query().Get("token")
		key, err := s.cfg.Key()
		if err != nil {
			http.Error(w, "acknowledgements cannot be checked now, try again", http.StatusServiceUnavailable)
			return
		}
		if !pageID.MatchString(id) || !hmac.Equal([]byte(token), []byte(ackToken(key, id))) {
			http.Error(w, "this link is not one of ours", http.StatusForbidden)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, `<!doctype html><meta name="viewport" content="width=device-width"><title>Acknowledge</title><form method="post" action="%s"><button>I take care of it</button></form>`,
				html.EscapeString("?"+r.URL.RawQuery))
		case http.MethodPost:
			if s.acknowledged(id) {
				fmt.Fprintln(w, "Acknowledged. Nobody else will be told.")
			} else {
				fmt.Fprintln(w, "Acknowledged already, or somebody else was told.")
			}
		default:
			http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
		}
	})
}
