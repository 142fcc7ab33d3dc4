package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// access is what a token allows.
type access int

const (
	nothing access = iota
	reading
	everything
)

// allowed compares tokens in constant time: their hashes, so that the length does not show either.
func (a *API) allowed(authorization string) access {
	if a.config.APIToken == "" {
		return everything
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	given := sha256.Sum256([]byte(strings.TrimSpace(token)))
	same := func(want string) bool {
		hash := sha256.Sum256([]byte(want))
		return subtle.ConstantTimeCompare(given[:], hash[:]) == 1
	}
	all, read := same(a.config.APIToken), same(a.config.ReadToken) && a.config.ReadToken != ""
	switch {
	case all:
		return everything
	case read:
		return reading
	}
	return nothing
}

const (
	noToken    = "this server wants a token: send the header Authorization: Bearer TOKEN"
	wrongToken = "the token is not one of this server's"
	readOnly   = "the read token allows no changes: this needs the API token"
)

// refuse says why a request is refused; status 0 is that it is not.
func (a *API) refuse(authorization string, change bool) (status int, detail string) {
	switch got := a.allowed(authorization); {
	case got == nothing && authorization == "":
		return http.StatusUnauthorized, noToken
	case got == nothing:
		return http.StatusUnauthorized, wrongToken
	case got == reading && change:
		return http.StatusForbidden, readOnly
	}
	return 0, ""
}

// authorize lets those operations pass that the request's token allows.
func (a *API) authorize(ctx huma.Context, next func(huma.Context)) {
	status, detail := a.refuse(ctx.Header("Authorization"), changes(ctx.Operation()))
	if status == 0 {
		next(ctx)
		return
	}
	if status == http.StatusUnauthorized {
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="millrace"`)
	}
	_ = huma.WriteErr(a.huma, ctx, status, detail)
}

// withToken asks for a token that allows reading, for what is no operation.
func (a *API) withToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status, detail := a.refuse(r.Header.Get("Authorization"), false); status != 0 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="millrace"`)
			writeProblem(w, problem(status, detail))
			return
		}
		next.ServeHTTP(w, r)
	})
}
