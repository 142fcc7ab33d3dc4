package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// fakeAPI is an API in memory. It refuses each refuse-th request.
type fakeAPI struct {
	pageSize, refuse int

	mu                sync.Mutex
	events            []Event
	requests, refused int
	tokens            []string // that were asked for
}

// happen adds events.
func (a *fakeAPI) happen(kinds ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, kind := range kinds {
		a.events = append(a.events, Event{int64(len(a.events) + 1), kind})
	}
}

// ServeHTTP answers with a page.
func (a *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.requests++; a.requests%a.refuse == 0 {
		a.refused++
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	token := r.URL.Query().Get("after")
	a.tokens = append(a.tokens, token)
	at := 0
	if text, given := strings.CutPrefix(token, "t"); given {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > len(a.events) {
			http.Error(w, "no such token", http.StatusBadRequest)
			return
		}
		at = n
	}
	end := min(at+a.pageSize, len(a.events))
	_ = json.NewEncoder(w).Encode(page{a.events[at:end], "t" + strconv.Itoa(end)}) // the client is gone, or it is not
}
