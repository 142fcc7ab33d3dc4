package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

// order and product are the two sides of the join, each in an order of its own.
type order struct {
	ID       int64 `csv:"order_id"`
	Product  int64 `csv:"product_id"`
	Quantity int64 `csv:"quantity"`
}

type product struct {
	ID    int64   `csv:"product_id"`
	Name  string  `csv:"name"`
	Price float64 `csv:"price"`
}

type orderLine struct {
	Order    int64
	Product  string
	Quantity int64
	Price    float64
}

// joinSums is what both sides are held to: each column of the joined rows counts.
type joinSums struct {
	rows, orders, letters, quantity int64
	price                           float64
}

func (s *joinSums) String() string {
	return fmt.Sprintf("%d rows, orders %d, letters %d, quantity %d, prices %.0f", s.rows, s.orders, s.letters, s.quantity, s.price)
}

// join joins two files of as many rows, by an integer key, with two threads.
func (w *workshop) join() (comparison, error) {
	orders, products := filepath.Join(w.dir, "orders.csv"), filepath.Join(w.dir, "products.csv")
	random := rand.New(rand.NewPCG(3, 4))
	ids := random.Perm(w.rows)
	err := writeLines(orders, "order_id,product_id,quantity\n", w.rows, func(i int) string {
		return fmt.Sprintf("%d,%d,%d\n", i+1, random.IntN(w.rows), 1+random.IntN(20))
	})
	if err != nil {
		return comparison{}, err
	}
	err = writeLines(products, "product_id,name,price\n", w.rows, func(i int) string {
		return fmt.Sprintf("%d,Product %d,%.2f\n", ids[i], ids[i], float64(random.IntN(100_000))/100)
	})
	if err != nil {
		return comparison{}, err
	}
	return comparison{name: "two CSV files joined by an integer key, 2 threads", sides: []side{
		{name: "Millrace", run: func(ctx context.Context) (string, error) { return joinFiles(ctx, orders, products) }},
		{name: "DuckDB hash join of read_csv, 2 threads", goal: 1, run: func(ctx context.Context) (string, error) {
			return duckJoin(ctx, orders, products)
		}},
	}}, nil
}

func writeLines(path, header string, n int, line func(i int) string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	if _, err := out.WriteString(header); err != nil {
		return err
	}
	for i := range n {
		if _, err := out.WriteString(line(i)); err != nil {
			return err
		}
	}
	return out.Flush()
}

func joinFiles(ctx context.Context, orders, products string) (string, error) {
	var s joinSums
	p := pipeline.New("join", pipeline.Options{})
	left := pipeline.From(p, "orders", sources.CSV[order]{Path: orders})
	right := pipeline.From(p, "products", sources.CSV[product]{Path: products})
	lines := pipeline.Via2(left, right, "join", transforms.Join[order, product, int64, orderLine]{
		LeftKey:  func(o *order) int64 { return o.Product },
		RightKey: func(p *product) int64 { return p.ID },
		Combine: func(o *order, p *product, line *orderLine) error {
			*line = orderLine{o.ID, p.Name, o.Quantity, p.Price}
			return nil
		},
		LeftMisses:  transforms.DropMisses,
		RightMisses: transforms.DropMisses,
	})
	pipeline.To(lines, "sum", pipeline.SinkFunc[orderLine](func(_ context.Context, in *pipeline.Reader[orderLine]) error {
		for batch, err := range in.Batches() {
			if err != nil {
				return err
			}
			for i := range batch {
				line := &batch[i]
				s.rows++
				s.orders += line.Order
				s.letters += int64(len(line.Product))
				s.quantity += line.Quantity
				s.price += line.Price
			}
			in.Recycle(batch)
		}
		return nil
	}))
	_, err := p.Run(ctx)
	return s.String(), err
}

// duckJoin does joinFiles in DuckDB, with the types of the columns given.
func duckJoin(ctx context.Context, orders, products string) (string, error) {
	db, err := sql.Open("duckdb", "?threads=2")
	if err != nil {
		return "", err
	}
	defer db.Close()
	var s joinSums
	err = db.QueryRowContext(ctx, `
select count(*), sum(order_id)::bigint, sum(length(name))::bigint, sum(quantity)::bigint, sum(price)
  from read_csv(?, header = true, columns = {'order_id': 'BIGINT', 'product_id': 'BIGINT', 'quantity': 'BIGINT'})
  join read_csv(?, header = true, columns = {'product_id': 'BIGINT', 'name': 'VARCHAR', 'price': 'DOUBLE'}) using (product_id)`,
		orders, products).Scan(&s.rows, &s.orders, &s.letters, &s.quantity, &s.price)
	return s.String(), err
}
