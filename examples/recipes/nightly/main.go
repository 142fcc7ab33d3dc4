// Command nightly sums up the sales of the day before, each night at 03:00 in Istanbul, in as many processes as are
// started; with two dates it first makes up for the nights between them. A run that ends badly is told to ALERT_URL.
//
//	nightly [FROM TO]
package main

import (
	"context"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs"
	"github.com/millrace/millrace/sinks"
)

const sum = `insert into daily (shop, day, amount) select shop, $1::date, sum(amount) from sales
	where sold >= $1::date and sold < $1::date + 1 and ($2 = '' or shop = $2) group by shop
	on conflict (shop, day) do update set amount = excluded.amount`

func nightly(pool *pgxpool.Pool) runs.Definition {
	return runs.Definition{
		Name: "nightly", Schedule: "TZ=Europe/Istanbul 0 3 * * *",
		Params: []runs.Param{{Name: "shop", Description: "all of them if it is empty"}},
		Retry:  pipeline.Retry{MaxAttempts: 3},
		Build: func(_ context.Context, run runs.Run) (*pipeline.Pipeline, error) {
			p := pipeline.New("nightly", pipeline.Options{})
			day := run.LogicalDate.AddDate(0, 0, -1).Format(time.DateOnly)
			pipeline.Do(p, "sum", sinks.Exec(pool, sum, day, run.Params.String("shop")))
			return p, nil
		},
	}
}

func alert(r runs.Record) {
	if r.State != runs.Failed {
		return
	}
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.PostForm(os.Getenv("ALERT_URL"), url.Values{"text": {r.Pipeline + " failed: " + r.Error}})
	if err != nil {
		log.Print("the alert did not arrive: ", err)
		return
	}
	_ = answer.Body.Close()
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal("DATABASE_URL cannot be understood")
	}
	registry := &runs.Registry{}
	registry.Add(nightly(pool))
	service, err := runs.New(ctx, runs.Config{Pool: pool, Registry: registry, Observe: alert})
	must(err)
	must(service.Migrate(ctx))
	if len(os.Args) == 3 {
		from, err := time.Parse(time.DateOnly, os.Args[1])
		must(err)
		to, err := time.Parse(time.DateOnly, os.Args[2])
		must(err)
		_, err = service.Backfill(ctx, "nightly", runs.Backfill{From: from, To: to, By: "the command"})
		must(err)
	}
	must(service.Start(ctx))
	<-ctx.Done()
	stop()
	must(service.Stop(context.WithoutCancel(ctx)))
	pool.Close()
}
