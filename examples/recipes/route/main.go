// Command route sends each measurement of measurements.csv to one of three places: the valid ones into a table, those
// to be looked at into a file, and those of the test bench into another.
package main

import (
	"context"
	"log"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// Measurement is a line of each file and a row of the table.
type Measurement struct {
	Sensor  string  `csv:"sensor" db:"sensor"`
	Celsius float64 `csv:"celsius" db:"celsius"`
}

const (
	valid = iota
	suspect
	bench
	places
)

func place(m *Measurement) int {
	switch {
	case m.Sensor == "bench":
		return bench
	case m.Celsius < -60 || m.Celsius > 60:
		return suspect
	default:
		return valid
	}
}

func main() {
	pool, err := pgxpool.New(context.Background(), os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal("DATABASE_URL cannot be understood")
	}
	p := pipeline.New("measurements", pipeline.Options{})
	read := pipeline.From(p, "read", sources.CSV[Measurement]{Path: "measurements.csv"})
	to := pipeline.Split(read, "place", places, place)
	pipeline.To(to[valid], "load", sinks.Postgres[Measurement]{Pool: pool, Table: "measurements", Create: true})
	pipeline.To(to[suspect], "suspect", sinks.CSV[Measurement]{Path: "suspect.csv"})
	pipeline.To(to[bench], "bench", sinks.CSV[Measurement]{Path: "bench.csv"})
	_, err = p.Run(context.Background())
	pool.Close()
	if err != nil {
		log.Fatal(err)
	}
}
