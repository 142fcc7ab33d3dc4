package runs

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// place is where a page ended.
type place struct {
	CreatedAt time.Time `json:"t"`
	ID        string    `json:"i"`
}

// A token is a place and a signature over it and the filter it belongs to, so that what
// comes back is what was given, on any replica.
const signatureBytes = 16

func (r *reader) sealToken(ctx context.Context, p place, f Filter) (string, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	signature, err := r.sign(ctx, body, f)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(signature, body...)), nil
}

func (r *reader) openToken(ctx context.Context, token string, f Filter) (p place, err error) {
	wrong := invalid("token", "the page token was not given by this list, or for another filter: begin with the first page")
	if len(token) > 1000 {
		return p, wrong
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	// The decoder passes over line ends, and over bits at the end that count for nothing.
	if err != nil || len(raw) < signatureBytes || base64.RawURLEncoding.EncodeToString(raw) != token {
		return p, wrong
	}
	body := raw[signatureBytes:]
	signature, err := r.sign(ctx, body, f)
	if err != nil {
		return p, err
	}
	if !hmac.Equal(signature, raw[:signatureBytes]) || json.Unmarshal(body, &p) != nil {
		return p, wrong
	}
	return p, nil
}

func (r *reader) sign(ctx context.Context, body []byte, f Filter) ([]byte, error) {
	key := r.pageKey.Load()
	if key == nil {
		var made []byte
		if err := r.db.Pool.QueryRow(ctx, r.db.Of("select value from {settings} where name = 'page_key'")).Scan(&made); err != nil {
			return nil, trouble("page token", err)
		}
		r.pageKey.Store(&made)
		key = &made
	}
	filter, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, *key)
	h.Write(filter)
	h.Write([]byte{0})
	h.Write(body)
	return h.Sum(nil)[:signatureBytes], nil
}
