package runs

import (
	"encoding/base64"
	"testing"
	"time"
)

func TestListsArePaged(t *testing.T) {
	pool := database(t)
	s := start(t, Config{Pool: pool, Workers: -1}, writes("items", pool, 1, nil), writes("others", pool, 1, nil))
	var want []string
	for range 7 {
		want = append([]string{trigger(t, s, "items").ID}, want...)
		trigger(t, s, "others")
	}
	var got []string
	token := ""
	filter := Filter{Pipeline: "items", States: []State{Queued, Running}}
	for {
		page, err := s.List(t.Context(), filter, 3, token)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Items {
			got = append(got, r.ID)
		}
		if token = page.Next; token == "" {
			break
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d runs, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("run %d is %s, want %s", i, got[i], want[i])
		}
	}
	page, err := s.List(t.Context(), filter, 3, "")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(page.Next)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		changed := append([]byte(nil), raw...)
		changed[i] ^= 1
		_, err = s.List(t.Context(), filter, 3, base64.RawURLEncoding.EncodeToString(changed))
		is(t, err, ErrInvalid, "the page token was not given by this list")
	}
	_, err = s.List(t.Context(), Filter{}, 3, page.Next)
	is(t, err, ErrInvalid, "or for another filter")
	// Another replica gives the same answer.
	if p, err := service(t, Config{Pool: pool}, fine("items")).List(t.Context(), filter, 3, page.Next); err != nil || p.Items[0].ID != want[3] {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestPruneRemovesAllThatBelongsToARun(t *testing.T) {
	pool := database(t)
	s := start(t, Config{Pool: pool}, writes("items", pool, 1, nil))
	var last string
	for range 5 {
		last = trigger(t, s, "items").ID
		awaitState(t, s, last, Succeeded)
	}
	await(t, "the log", func() bool {
		page, err := s.Logs(t.Context(), last, LogFilter{})
		return err == nil && len(page.Items) > 0
	})
	if n, err := s.Prune(t.Context(), Prune{OlderThan: time.Now().Add(-time.Hour)}); err != nil || n != 0 {
		t.Errorf("%d removed, %v", n, err)
	}
	if n, err := s.Prune(t.Context(), Prune{Keep: 2}); err != nil || n != 3 {
		t.Errorf("%d removed, %v", n, err)
	}
	if n, err := s.Prune(t.Context(), Prune{OlderThan: time.Now().Add(time.Hour)}); err != nil || n != 2 {
		t.Errorf("%d removed, %v", n, err)
	}
	// The ledger remembers them for a while.
	var kept int
	if err := pool.QueryRow(t.Context(), "select (select count(*) from millrace.commits) + (select count(*) from millrace.attempts)").Scan(&kept); err != nil || kept != 10 {
		t.Errorf("%d rows in the ledger, %v", kept, err)
	}
	for _, age := range []time.Duration{KeepCommits - time.Hour, KeepCommits + time.Hour} {
		if _, err := pool.Exec(t.Context(), "update millrace.pruned_runs set ended_at = $1", time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Prune(t.Context(), Prune{Keep: 2}); err != nil || n != 0 {
			t.Errorf("%d removed, %v", n, err)
		}
		if err := pool.QueryRow(t.Context(), "select count(*) from millrace.commits").Scan(&kept); err != nil || kept != 5 && age < KeepCommits {
			t.Errorf("%d rows in the ledger after %v, %v", kept, age, err)
		}
	}
	for _, table := range []string{"runs", "run_attempts", "run_logs", "run_rejects", "commits", "attempts", "pruned_runs"} {
		var n int
		if err := pool.QueryRow(t.Context(), "select count(*) from millrace."+table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d rows, %v", table, n, err)
		}
	}
}
