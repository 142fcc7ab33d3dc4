// Command calls asks a slow service for the rating of each customer in customers.csv, 20 at once, and writes
// rated.csv in the order of the input. A customer that the service does not know is left out and told.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

// Customer is a line of customers.csv.
type Customer struct {
	pipeline.Origin
	Name string `csv:"name"`
}

// Rated is a line of rated.csv.
type Rated struct {
	Name   string  `csv:"name"`
	Rating float64 `csv:"rating"`
}

type service string

func (s service) rate(ctx context.Context, c *Customer, made *Rated) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, string(s)+"?name="+url.QueryEscape(c.Name), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		made.Name = c.Name
		return json.NewDecoder(answer.Body).Decode(&made.Rating)
	case http.StatusNotFound:
		return transforms.Reject("name", c.Name, "is not known to the service")
	default:
		return fmt.Errorf("the service answers %s", answer.Status)
	}
}

func main() {
	p := pipeline.New("ratings", pipeline.Options{
		MaxRejects: 100,
		OnReject:   func(r pipeline.Reject) { log.Print(r) },
	})
	customers := pipeline.From(p, "read", sources.CSV[Customer]{Path: "customers.csv"})
	rated := pipeline.Via(customers, "rate", transforms.Async[Customer, Rated]{
		Call: service(os.Args[1]).rate, Calls: 20, Timeout: 5 * time.Second, Retry: pipeline.Retry{MaxAttempts: 3},
	})
	pipeline.To(rated, "write", sinks.CSV[Rated]{Path: "rated.csv"})
	if _, err := p.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
