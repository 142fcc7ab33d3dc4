package privatedb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// The keeper and its users exchange JSON values over a Unix socket: a request,
// then its answer. Both ends are the same program, so that no version is
// negotiated; shared sockets carry protocolVersion in their name instead.
const protocolVersion = 1

const (
	opStart   = "start"   // Want -> URL, How, Keeper
	opCreate  = "create"  // Name of a template, or "" -> Name, URL
	opDrop    = "drop"    // Name
	opKill    = "kill"    //
	opStop    = "stop"    //
	opRestart = "restart" //
	opBye     = "bye"     // answered when what is to go is gone
)

// Want is what a user asks of a keeper.
type Want struct {
	Purpose     Purpose
	Durable     bool
	DatabaseURL string
}

// Fleeting says that the data is small and thrown away soon: it may be kept in
// memory alone.
func (w Want) Fleeting() bool { return w.Purpose == ForTests && !w.Durable }

type request struct {
	Op   string
	Want *Want  `json:",omitempty"`
	Name string `json:",omitempty"`
}

type answer struct {
	URL    string    `json:",omitempty"`
	How    string    `json:",omitempty"`
	Name   string    `json:",omitempty"`
	Keeper int       `json:",omitempty"` // process ID
	Error  string    `json:",omitempty"`
	Tried  []attempt `json:",omitempty"` // with Error: no way served
	Gone   bool      `json:",omitempty"` // the keeper is ending
}

// fail turns an error into an answer, keeping what the other end can use.
func fail(err error) answer {
	if none, ok := errors.AsType[*NoServerError](err); ok {
		return answer{Error: none.Error(), Tried: none.Tried}
	}
	return answer{Error: err.Error()}
}

// err is the inverse of fail.
func (a answer) err() error {
	switch {
	case a.Gone:
		return errLeaving
	case len(a.Tried) > 0:
		return &NoServerError{Tried: a.Tried}
	case a.Error != "":
		return errors.New(a.Error)
	}
	return nil
}

// errKeeperLost says that a connection to a keeper ended without an answer.
var errKeeperLost = errors.New("its keeper is gone")

// keeperConn is a user's end of the connection. It needs no goroutine.
type keeperConn struct {
	mu     sync.Mutex
	conn   net.Conn
	dec    *json.Decoder
	enc    *json.Encoder
	broken error // why no further call can be made
}

func dialKeeper(ctx context.Context, socket string) (*keeperConn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	return &keeperConn{conn: conn, dec: json.NewDecoder(conn), enc: json.NewEncoder(conn)}, nil
}

// call sends a request and waits for its answer. Calls of several goroutines
// wait for each other. One that is cancelled leaves the connection unusable,
// since the answer is still to come; the server goes when it is closed.
func (k *keeperConn) call(ctx context.Context, req request) (answer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken != nil {
		return answer{}, k.broken
	}
	if err := context.Cause(ctx); err != nil {
		return answer{}, fmt.Errorf("privatedb: %s: %w", req.Op, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = k.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	var a answer
	err := k.enc.Encode(req)
	if err == nil {
		err = k.dec.Decode(&a)
	}
	if err != nil {
		cause := context.Cause(ctx)
		if cause == nil {
			cause = fmt.Errorf("%w: %w", errKeeperLost, err)
		}
		k.broken = fmt.Errorf("privatedb: %s: %w", req.Op, cause)
		return answer{}, k.broken
	}
	return a, a.err()
}

func (k *keeperConn) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken == nil {
		k.broken = errors.New("privatedb: the server is closed")
	}
	_ = k.conn.Close()
}
