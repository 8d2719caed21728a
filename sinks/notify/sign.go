package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a page.
const (
	HeaderID        = "Chartwire-Id"        // the same whenever the page is sent again
	HeaderTimestamp = "Chartwire-Timestamp" // seconds since 1970, when this copy was sent
	HeaderSignature = "Chartwire-Signature" // v1=<hex>
)

// Tolerance is how old a page may be when Verify sees it.
const Tolerance = 5 * time.Minute

// Sign is the signature of a body: the HMAC-SHA256 over id, timestamp and
// body, each ended by a point, in hexadecimal.
func Sign(key, id, timestamp string, body []byte) string {
	return "v1=" + hex.EncodeToString(mac(key, id, timestamp, string(body)))
}

func mac(key string, parts ...string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	for _, p := range parts {
		// Neither id nor timestamp has a point, so no two pages sign alike.
		h.Write([]byte(p))
		h.Write([]byte{'.'})
	}
	return h.Sum(nil)
}

// Verify checks a page that a receiver got, and returns its id. Any error
// means that it must not be acted upon.
func Verify(key string, h http.Header, body []byte, now time.Time) (id string, err error) {
	id, stamp, sent := h.Get(HeaderID), h.Get(HeaderTimestamp), h.Get(HeaderSignature)
	if id == "" || strings.Contains(id, ".") || sent == "" {
		return "", errors.New("the page is not signed")
	}
	if !hmac.Equal([]byte(sent), []byte(Sign(key, id, stamp, body))) {
		return "", errors.New("the signature is wrong")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return "", errors.New("the timestamp is no number")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Tolerance {
		return "", errors.New("the page is too old, or a clock is wrong")
	}
	return id, nil
}

// identify makes an opaque id: the same for the same text, and telling nothing
// of it to whom does not have the key.
func identify(key, purpose, text string) string {
	return hex.EncodeToString(mac(key, purpose, text)[:16])
}

// ackToken proves that a link to acknowledge a page came from us.
func ackToken(key, id string) string { return hex.EncodeToString(mac(key, "acknowledge", id)[:16]) }
