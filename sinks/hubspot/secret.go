package hubspot

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// secretAge is how long a token is used before its source is asked again.
const secretAge = time.Minute

// secret is the bearer token, read again as it ages and when it is refused.
type secret struct {
	source func() (string, error)

	mu    sync.Mutex
	token string
	read  time.Time
}

// current returns the token. A source that fails costs nothing while there is
// one from before.
func (s *secret) current(now time.Time) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" && now.Sub(s.read) < secretAge {
		return s.token, nil
	}
	return s.reload(now)
}

// other returns a token other than the one that was refused, if its source
// has one by now.
func (s *secret) other(refused string, now time.Time) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, err := s.reload(now)
	return token, err == nil && token != refused
}

func (s *secret) reload(now time.Time) (string, error) {
	token, err := s.source()
	token = strings.TrimSpace(token)
	switch {
	case err == nil && token != "" && strings.ContainsAny(token, "\r\n \t"):
		err = errors.New("the token holds blanks or line ends")
	case err == nil && token == "":
		err = errors.New("the token is empty")
	}
	if err != nil {
		if s.token != "" {
			return s.token, nil
		}
		return "", fmt.Errorf("reading the HubSpot token: %w", err)
	}
	s.token, s.read = token, now
	return token, nil
}
