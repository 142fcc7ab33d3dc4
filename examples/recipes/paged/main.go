// Command paged copies tickets from an HTTP API that gives them page by page and asks callers to slow down (429). Each
// run goes on behind the last page that was committed: the API's own token is the cursor.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// Ticket is an item of the API and a row of the table.
type Ticket struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
}

// Tickets reads the API at this address.
type Tickets string

// Incremental says that each run goes on where the last one ended.
func (Tickets) Incremental() bool { return true }

// Bound does not know where this run ends: the last page tells.
func (Tickets) Bound(context.Context, json.RawMessage) (json.RawMessage, error) { return nil, nil }

// Extract reads pages until the API has no more.
func (t Tickets) Extract(ctx context.Context, out *pipeline.Writer[Ticket]) error {
	client := retryablehttp.NewClient() // waits as long as a 429 says
	client.Logger = nil
	at, _ := pipeline.RangeFrom(ctx)
	token := ""
	if at.From != nil {
		if err := json.Unmarshal(at.From, &token); err != nil {
			return err
		}
	}
	for {
		request, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, string(t)+"?after="+url.QueryEscape(token), nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		var page struct {
			Tickets []Ticket
			Next    json.RawMessage
			More    bool
		}
		err = errors.Join(json.NewDecoder(answer.Body).Decode(&page), answer.Body.Close())
		if err != nil || answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s: %w", t, answer.Status, err)
		}
		if err := out.WriteBatch(page.Tickets); err != nil {
			return err
		}
		if !page.More {
			return pipeline.MoveCursor(ctx, page.Next)
		}
		if err := json.Unmarshal(page.Next, &token); err != nil {
			return err
		}
	}
}

func main() {
	pool, err := pgxpool.New(context.Background(), os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal("DATABASE_URL cannot be understood")
	}
	p := pipeline.New("tickets", pipeline.Options{State: sinks.PostgresState{Pool: pool}})
	tickets := pipeline.From(p, "pages", Tickets(os.Args[1]))
	pipeline.To(tickets, "load", sinks.Postgres[Ticket]{Pool: pool, Table: "tickets", Create: true})
	report, err := p.Run(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Stage("load").RecordsIn, "tickets")
}
