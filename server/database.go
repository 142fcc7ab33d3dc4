package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The most connections that a replica opens; docs/scale-out.md adds them up.
const (
	connsPerWorker = 2 // a run of either pipeline: its transaction, and the source that reads
	serviceConns   = 4 // for triggers, lists and all else that the API asks of runs
	readConns      = 4 // of the API for the application's tables: its own, so that runs cannot starve it
)

const (
	connectTimeout = 5 * time.Second
	apiReadTimeout = 10 * time.Second
)

// databases are the pools of one replica.
type databases struct {
	data     *pgxpool.Pool // of the application's tables, for runs
	metadata *pgxpool.Pool // of schema millrace; the same as data if it is the same database
	reads    *pgxpool.Pool // of the application's tables, for the API, read-only
}

// openDatabases makes the pools without connecting: the database may come later.
func openDatabases(ctx context.Context, c config) (*databases, error) {
	d := &databases{}
	workConns := int32(connsPerWorker * c.workers)
	sizes := []struct {
		pool  **pgxpool.Pool
		url   string
		conns int32
		tune  func(*pgxpool.Config)
	}{
		{&d.data, c.databaseURL, workConns + serviceConns, nil},
		{&d.metadata, c.metadataURL, workConns + serviceConns, nil},
		{&d.reads, c.databaseURL, readConns, func(p *pgxpool.Config) {
			p.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
			p.ConnConfig.RuntimeParams["statement_timeout"] = fmt.Sprint(apiReadTimeout.Milliseconds())
		}},
	}
	for _, s := range sizes {
		if s.url == "" {
			continue
		}
		p, err := parseURL(s.url)
		if err != nil {
			d.close()
			return nil, err
		}
		p.MaxConns = s.conns
		p.MaxConnIdleTime = 5 * time.Minute
		p.ConnConfig.RuntimeParams["application_name"] = "millrace " + c.replica
		// By default a table is looked for, and made, in the schema of the user's name first. For a user millrace that
		// is our own one, as soon as it is there: its tables would hide those of the application.
		if _, given := p.ConnConfig.RuntimeParams["search_path"]; !given && p.ConnConfig.User == "millrace" {
			p.ConnConfig.RuntimeParams["search_path"] = "public"
		}
		if p.ConnConfig.ConnectTimeout == 0 {
			p.ConnConfig.ConnectTimeout = connectTimeout
		}
		if s.tune != nil {
			s.tune(p)
		}
		if *s.pool, err = pgxpool.NewWithConfig(ctx, p); err != nil {
			d.close()
			return nil, err
		}
	}
	if d.metadata == nil {
		d.metadata = d.data
	}
	return d, nil
}

func (d *databases) close() {
	if d.reads != nil {
		d.reads.Close()
	}
	if d.metadata != nil && d.metadata != d.data {
		d.metadata.Close()
	}
	if d.data != nil {
		d.data.Close()
	}
}

// parseURL never repeats what it could not read: nobody knows which part of a broken
// URL is the password.
func parseURL(url string) (*pgxpool.Config, error) {
	p, err := pgxpool.ParseConfig(url)
	// With a slash in the password a URL is read as one whose database has an @ in its name.
	if err != nil || strings.Contains(p.ConnConfig.Database, "@") {
		return nil, errors.New("it cannot be understood: it should look like postgres://user:password@host:5432/database, with special characters in the password written as %XX")
	}
	return p, nil
}

func checkURL(url string) error {
	_, err := parseURL(url)
	return err
}

// waitFor tries until try succeeds, and tells why it waits: at once when the reason changes, otherwise now and then.
// It gives up when the context ends, or on an error that is final.
func waitFor(ctx context.Context, log hclog.Logger, what string, try func(context.Context) error, final func(error) bool) error {
	const (
		firstPause = 250 * time.Millisecond
		maxPause   = 2 * time.Second
		repeat     = 30 * time.Second
	)
	began, pause := time.Now(), firstPause
	var told string
	var toldAt time.Time
	for {
		err := try(ctx)
		switch {
		case err == nil:
			if told != "" {
				log.Info(what+": done", "waited", time.Since(began).Round(time.Millisecond).String())
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case final(err):
			return err
		}
		if text := oneLine(err); text != told || time.Since(toldAt) >= repeat {
			log.Warn(what+": not yet, will go on trying", "error", text)
			told, toldAt = text, time.Now()
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
}

// oneLine joins the lines of an error, of which pgx makes one for each address that it tried.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.ReplaceAll(strings.Join(lines, "; "), ":; ", ": ")
}
