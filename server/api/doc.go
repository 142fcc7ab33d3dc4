// Package api is Millrace's HTTP API: JSON over [runs.Service] and over the sales
// tables, with an OpenAPI 3.1 document that is made from the same Go types.
//
//	client ──▶ X-Served-By, security headers, recovery, metrics
//	            └▶ Host, same origin             who may ask at all
//	                └▶ mux
//	                    ├▶ /healthz /readyz /metrics /openapi.json
//	                    ├▶ /api/...  token ▶ limits ▶ checks ▶ handler ──▶ runs, tables
//	                    └▶ /         the page
//
// # The contract
//
// Every answer names the replica in X-Served-By. Every error under /api is a problem
// (RFC 9457, application/problem+json) whose detail is a sentence for people. A 4xx
// says what of the request is wrong; a 5xx says nothing of the inside: its instance
// is found in the log, beside the cause. 503 comes with Retry-After.
//
// Tokens: with [Config.APIToken], all operations under /api and /metrics need
// "Authorization: Bearer ...". [Config.ReadToken] allows those that change nothing.
//
// Who acted: a request that changes something may say by whom (by, in its body), and the
// history names it. Nobody checks that; it is for those who share a token and trust each other.
//
// Everything a client can make grow is bounded: headers, bodies, pages, the time of a
// request, triggers a second, streams. A stream whose client does not read is closed.
//
// Before [API.Serve] is called there is no service yet: health answers, readiness
// says what is waited for, and operations answer 503.
package api
