package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/millrace/millrace/runs"
	"github.com/millrace/millrace/server/api"
	"github.com/millrace/millrace/server/console"
)

// serve runs one replica until the context ends, or until it cannot go on.
//
//	listen ─▶ wait for the database ─▶ migrate ─▶ start the service ─▶ ... ─▶ drain ─▶ hand back
//	healthy   not ready                                              ready    not ready
func serve(ctx context.Context, c config, log hclog.Logger, stderr io.Writer) (err error) {
	// Before the private database, which would be started in vain.
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return fmt.Errorf("MILLRACE_LISTEN: %w", err)
	}
	defer listener.Close()
	if c.databaseURL == "" {
		url, closeServer, err := privateDatabase(ctx, stderr)
		if err != nil {
			return err
		}
		defer func() {
			if err := closeServer(); err != nil {
				log.Warn("closing the private database", "error", oneLine(err))
			}
		}()
		c.databaseURL, c.demo = url, true
	}
	db, err := openDatabases(ctx, c)
	if err != nil {
		return err
	}
	defer db.close()

	a := api.New(api.Config{
		Replica: c.replica, Version: version(), Logger: log, Reads: db.reads,
		APIToken: c.apiToken, ReadToken: c.readToken, AllowedHosts: c.allowedHosts,
		TriggerRate: c.triggerRate, MaxStreams: c.maxStreams, Page: console.Handler(console.Options{}),
	})
	service, err := newService(ctx, c, db, log, a)
	if err != nil {
		return err
	}

	server := a.Server()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("listening", "address", listener.Addr().String(), "token", c.apiToken != "")

	started, err := begin(ctx, c, db, service, a, log)
	if err == nil {
		pruning, stop := context.WithCancel(ctx)
		var pruner sync.WaitGroup
		pruner.Go(func() { prune(pruning, c, service, log) })
		defer func() { stop(); pruner.Wait() }()
		select {
		case <-ctx.Done():
		case err = <-served:
			err = fmt.Errorf("serving: %w", err)
		}
	} else if ctx.Err() != nil {
		err = nil // it was told to end before it could begin
	}
	log.Info("shutting down", "limit", c.shutdownTimeout.String())
	return errors.Join(err, end(c.shutdownTimeout, server, service, started, a, log))
}

// newService makes the service with all definitions, whose mistakes are found here.
func newService(ctx context.Context, c config, db *databases, log hclog.Logger, a *api.API) (*runs.Service, error) {
	registry := &runs.Registry{}
	registry.Add(definitions(c, db.data)...)
	return runs.New(ctx, runs.Config{
		Pool: db.metadata, Registry: registry, Workers: c.workers, Name: c.replica,
		Logger: log.Named("runs"), Observe: a.Observe,
		Grace: c.shutdownTimeout / 4,
	})
}

// begin waits for the database, brings it up to date and starts the service. started tells whether the service is to
// be stopped.
func begin(ctx context.Context, c config, db *databases, service *runs.Service, a *api.API, log hclog.Logger) (started bool, err error) {
	final := func(err error) bool { return !api.Unavailable(err) }
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"waiting for the database", db.data.Ping},
		{"waiting for the metadata database", db.metadata.Ping},
		{"preparing the demo's tables", func(ctx context.Context) error {
			if !c.demo {
				return nil
			}
			return prepareDemo(ctx, db.data, log)
		}},
		{"preparing schema millrace", service.Migrate},
		{"starting the service", service.Start},
	}
	for _, s := range steps {
		a.Waiting(s.what)
		if err := waitFor(ctx, log, s.what, s.do, final); err != nil {
			return false, fmt.Errorf("%s: %w", s.what, err)
		}
	}
	a.Serve(service)
	log.Info("ready", "workers", c.workers)
	return true, nil
}

// end stops taking requests, ends streams and hands back runs, all within the limit. What is left then is taken over
// by another replica once its lease is over.
func end(limit time.Duration, server *http.Server, service *runs.Service, started bool, a *api.API, log hclog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	a.Drain()
	stopped := make(chan error, 1)
	go func() {
		if !started {
			stopped <- nil
			return
		}
		stopped <- service.Stop(ctx)
	}()
	if err := server.Shutdown(ctx); err != nil {
		log.Warn("requests were cut off", "error", err)
		_ = server.Close() // the process ends anyway
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("handing back runs: %w", err)
	}
	log.Info("stopped")
	return nil
}
