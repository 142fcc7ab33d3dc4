package transforms_test

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transforms"
)

func ExampleAsync() {
	// A service that takes its time, and now and then is busy.
	var busy = true
	weigh := func(_ context.Context, product string) (int, error) {
		if product == "rope" && busy {
			busy = false
			return 0, fmt.Errorf("503 Service Unavailable")
		}
		return len(product), nil
	}
	type Weighed struct {
		ID     int64
		Weight int
	}
	show(transforms.Async[Sale, Weighed]{
		Calls:   2,
		Limiter: rate.NewLimiter(1000, 1), // a second
		Timeout: 5 * time.Second,
		Retry:   pipeline.Retry{MaxAttempts: 3, Backoff: time.Millisecond},
		Call: func(ctx context.Context, s *Sale, w *Weighed) (err error) {
			w.ID = s.ID
			w.Weight, err = weigh(ctx, s.Product)
			return err
		},
	}, sales[:3])
	// Output:
	// {ID:1 Weight:5}
	// {ID:2 Weight:4}
	// {ID:3 Weight:5}
}

func ExampleChunk() {
	show(transforms.Chunk[int](2), []int{1, 2, 3, 4, 5})
	// Output:
	// [1 2]
	// [3 4]
	// [5]
}

func ExampleTopN() {
	show(transforms.TopN[Sale, string]{
		N:       1,
		Key:     func(s *Sale) string { return s.Product },
		Compare: func(a, b *Sale) int { return cmp.Compare(b.Quantity, a.Quantity) }, // largest first
	}, sales)
	// Output:
	// {ID:3 Product:anvil Quantity:2 Price:40}
	// {ID:2 Product:rope Quantity:3 Price:2.5}
}

func ExampleWindow() {
	type Click struct {
		User string
		At   time.Time
	}
	type Session struct {
		User       string
		Clicks     int
		Start, End string
	}
	morning := func(user string, minute int) Click {
		return Click{user, time.Date(2026, 5, 1, 9, minute, 0, 0, time.UTC)}
	}
	show(transforms.Window[Click, string, Session]{
		Gap:   10 * time.Minute,
		Time:  func(c *Click) time.Time { return c.At },
		Key:   func(c *Click) string { return c.User },
		New:   func(user string) Session { return Session{User: user} },
		Fold:  func(s *Session, _ *Click) error { s.Clicks++; return nil },
		Merge: func(into, from *Session) error { into.Clicks += from.Clicks; return nil },
		Bounds: func(s *Session, start, end time.Time) {
			s.Start, s.End = start.Format("15:04"), end.Format("15:04")
		},
	}, []Click{morning("ann", 0), morning("bob", 2), morning("ann", 17), morning("ann", 9), morning("bob", 12)})
	// Output:
	// {User:ann Clicks:3 Start:09:00 End:09:27}
	// {User:bob Clicks:1 Start:09:02 End:09:12}
	// {User:bob Clicks:1 Start:09:12 End:09:22}
}

func ExampleJoin() {
	type Order struct{ ID, Customer int64 }
	type Customer struct {
		ID   int64
		Name string
	}
	type Line struct {
		Order int64
		Name  string
	}
	p := pipeline.New("join", pipeline.Options{MaxRejects: -1})
	orders := pipeline.From(p, "orders", slice(Order{1, 7}, Order{2, 9}, Order{3, 7}))
	customers := pipeline.From(p, "customers", slice(Customer{7, "Ann"}, Customer{8, "Bob"}))
	lines := pipeline.Via2(orders, customers, "join", transforms.Join[Order, Customer, int64, Line]{
		LeftKey:     func(o *Order) int64 { return o.Customer },
		RightKey:    func(c *Customer) int64 { return c.ID },
		Combine:     func(o *Order, c *Customer, line *Line) error { *line = Line{o.ID, c.Name}; return nil },
		LeftMisses:  transforms.RejectMisses, // an order without a customer is a mistake,
		RightMisses: transforms.DropMisses,   // a customer without an order is not
		Column:      "customer",
	})
	var (
		joined  []Line
		misses  []pipeline.Reject
		rejects = pipeline.Rejects(p)
	)
	pipeline.To(lines, "lines", gather(&joined))
	pipeline.To(rejects, "misses", gather(&misses))
	_, err := p.Run(context.Background())
	fmt.Println(joined, misses[0], err)
	// Output:
	// [{1 Ann} {3 Ann}] column "customer": "9" has no partner in the right stream <nil>
}
