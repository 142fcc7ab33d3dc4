package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cenkalti/backoff/v5"

	"github.com/millrace/millrace/pipeline"
)

// Event is a record of the API and a row of the table.
type Event struct {
	ID   int64  `json:"id" db:"id"`
	Kind string `json:"kind" db:"kind"`
}

// Feed reads an API page by page: GET URL?after=TOKEN answers {"events": [...], "next": TOKEN}, and without
// events where there is nothing new.
type Feed struct{ URL string }

// page is an answer of the API.
type page struct {
	Events []Event `json:"events"`
	Next   string  `json:"next"`
}

// Describe implements pipeline.Describer.
func (f Feed) Describe() string { return "API " + f.URL }

// Incremental implements pipeline.Cursored.
func (Feed) Incremental() bool { return true }

// Bound implements pipeline.Cursored: how far this run will come is not known before it has read.
func (Feed) Bound(context.Context, json.RawMessage) (json.RawMessage, error) { return nil, nil }

// Extract reads from the last committed token to the last page.
func (f Feed) Extract(ctx context.Context, out *pipeline.Writer[Event]) error {
	var token string
	if from, _ := pipeline.RangeFrom(ctx); from.From != nil {
		if err := json.Unmarshal(from.From, &token); err != nil {
			return pipeline.Permanent(fmt.Errorf("the cursor is no token: %w", err))
		}
	}
	for {
		p, err := backoff.Retry(ctx, func() (page, error) { return f.get(ctx, token) }, backoff.WithMaxTries(10))
		if err != nil {
			return err
		}
		if len(p.Events) == 0 {
			return nil
		}
		if err := out.WriteBatch(p.Events); err != nil {
			return err
		}
		token = p.Next
		cursor, err := json.Marshal(token)
		if err != nil {
			return err
		}
		if err := pipeline.MoveCursor(ctx, cursor); err != nil {
			return err
		}
	}
}

const maxPage = 16 << 20 // bytes

// get asks for one page, once.
func (f Feed) get(ctx context.Context, token string) (p page, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL+"?after="+url.QueryEscape(token), nil)
	if err != nil {
		return p, backoff.Permanent(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return p, err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	switch {
	case answer.StatusCode == http.StatusTooManyRequests:
		if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
			return p, backoff.RetryAfter(seconds)
		}
		return p, fmt.Errorf("%s: %s", f.URL, answer.Status)
	case answer.StatusCode >= 500:
		return p, fmt.Errorf("%s: %s", f.URL, answer.Status)
	case answer.StatusCode != http.StatusOK: // asking again would not help, nor would another attempt
		return p, backoff.Permanent(pipeline.Permanent(fmt.Errorf("%s: %s", f.URL, answer.Status)))
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxPage)).Decode(&p); err != nil {
		return p, fmt.Errorf("%s: page after %q: %w", f.URL, token, err)
	}
	return p, nil
}
