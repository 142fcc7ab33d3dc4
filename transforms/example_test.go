package transforms_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

type Sale struct {
	ID       int64
	Product  string
	Quantity int64
	Price    float64
}

var sales = []Sale{
	{1, "anvil", 1, 40},
	{2, "rope", 3, 2.5},
	{3, "anvil", 2, 40},
	{4, "rope", -1, 2.5},
}

// show runs a transform and prints what it wrote, one record a line.
func show[In, Out any](transform pipeline.Transform[In, Out], in []In) {
	result := pipelinetest.RunTransform(context.Background(), transform, in)
	for _, record := range result.Records {
		fmt.Printf("%+v\n", record)
	}
	for _, reject := range result.Rejects {
		fmt.Println("rejected:", reject)
	}
	if result.Err != nil {
		fmt.Println(result.Err)
	}
}

func ExampleMap() {
	type Line struct {
		Product string
		Amount  float64
	}
	show(transforms.Map(func(s *Sale, line *Line) error {
		*line = Line{Product: s.Product, Amount: s.Price * float64(s.Quantity)}
		return nil
	}), sales)
	// Output:
	// {Product:anvil Amount:40}
	// {Product:rope Amount:7.5}
	// {Product:anvil Amount:80}
	// {Product:rope Amount:-2.5}
}

func ExampleFlatMap() {
	show(transforms.FlatMap(func(line *string, words []string) ([]string, error) {
		return append(words, strings.Fields(*line)...), nil
	}), []string{"one two", "", "three"})
	// Output:
	// one
	// two
	// three
}

func ExampleFilter() {
	show(transforms.Filter(func(s *Sale) bool { return s.Quantity > 1 }), sales)
	// Output:
	// {ID:2 Product:rope Quantity:3 Price:2.5}
	// {ID:3 Product:anvil Quantity:2 Price:40}
}

func ExampleUpdate() {
	show(transforms.Update(func(s *Sale) error {
		s.Product = strings.ToUpper(s.Product)
		return nil
	}), sales[:2])
	// Output:
	// {ID:1 Product:ANVIL Quantity:1 Price:40}
	// {ID:2 Product:ROPE Quantity:3 Price:2.5}
}

func ExampleReject() {
	show(transforms.Update(func(s *Sale) error {
		if s.Quantity < 0 {
			return transforms.Reject("quantity", fmt.Sprint(s.Quantity), "is negative")
		}
		s.Price *= 1.2
		return nil
	}), sales[2:])
	// Output:
	// {ID:3 Product:anvil Quantity:2 Price:48}
	// rejected: column "quantity": "-1" is negative
}

func ExampleTap() {
	pieces := int64(0)
	show(transforms.Tap(func(s *Sale) { pieces += s.Quantity }), sales[:2])
	fmt.Println(pieces, "pieces")
	// Output:
	// {ID:1 Product:anvil Quantity:1 Price:40}
	// {ID:2 Product:rope Quantity:3 Price:2.5}
	// 4 pieces
}

func ExampleLimit() {
	show(transforms.Limit[Sale](2), sales)
	// Output:
	// {ID:1 Product:anvil Quantity:1 Price:40}
	// {ID:2 Product:rope Quantity:3 Price:2.5}
}

func ExampleDistinct() {
	show(transforms.Distinct[Sale, string]{
		Key: func(s *Sale) string { return s.Product },
	}, sales)
	// Output:
	// {ID:1 Product:anvil Quantity:1 Price:40}
	// {ID:2 Product:rope Quantity:3 Price:2.5}
}

func ExampleSort() {
	show(transforms.Sort[Sale]{
		Compare: func(a, b *Sale) int { // by product, of one product the largest sale first
			return cmp.Or(strings.Compare(a.Product, b.Product), cmp.Compare(b.Quantity, a.Quantity))
		},
	}, sales)
	// Output:
	// {ID:3 Product:anvil Quantity:2 Price:40}
	// {ID:1 Product:anvil Quantity:1 Price:40}
	// {ID:2 Product:rope Quantity:3 Price:2.5}
	// {ID:4 Product:rope Quantity:-1 Price:2.5}
}

// A stage that may hold little goes on in temporary files; what it writes stays the same.
func ExampleDistinct_maxMemory() {
	var visits []int
	for n := range 100_000 {
		visits = append(visits, n*n%50_021)
	}
	result := pipelinetest.RunTransform(context.Background(), transforms.Distinct[int, int]{
		Key:       func(n *int) int { return *n },
		MaxMemory: 64 << 10, // bytes
	}, visits)
	fmt.Println(len(result.Records), "visitors, the first are", result.Records[:5], result.Err)
	// Output: 25011 visitors, the first are [0 1 4 9 16] <nil>
}

func ExampleGroupBy() {
	type Total struct {
		Product string
		Pieces  int64
		Revenue float64
	}
	show(transforms.GroupBy[Sale, string, Total]{
		Key: func(s *Sale) string { return s.Product },
		New: func(product string) Total { return Total{Product: product} },
		Fold: func(t *Total, s *Sale) error {
			t.Pieces += s.Quantity
			t.Revenue += s.Price * float64(s.Quantity)
			return nil
		},
		Merge: func(into, from *Total) error { // for pipeline.Parallel
			into.Pieces += from.Pieces
			into.Revenue += from.Revenue
			return nil
		},
	}, sales)
	// Output:
	// {Product:anvil Pieces:3 Revenue:120}
	// {Product:rope Pieces:2 Revenue:5}
}

func ExampleSum() {
	show(transforms.Sum[Sale, string, int64]{
		Key:   func(s *Sale) string { return s.Product },
		Value: func(s *Sale) int64 { return s.Quantity },
	}, sales)
	// Output:
	// {Key:anvil Sum:3}
	// {Key:rope Sum:2}
}

func ExampleLookup() {
	type Order struct {
		Code string
		Name string
	}
	type Country struct{ Code, Name string }

	show(transforms.Lookup[Order, Country, string]{
		Reference:    slice(Country{"IT", "Italy"}, Country{"PT", "Portugal"}),
		Key:          func(o *Order) string { return o.Code },
		ReferenceKey: func(c *Country) string { return c.Code },
		Enrich: func(o *Order, c *Country) error {
			o.Name = c.Name
			return nil
		},
		Column: "country",
	}, []Order{{Code: "PT"}, {Code: "XX"}, {Code: "IT"}})
	// Output:
	// {Code:PT Name:Portugal}
	// {Code:IT Name:Italy}
	// rejected: column "country": "XX" is not in the reference (a source of transforms_test.Country)
}

func ExampleValidate() {
	show(transforms.Validate[Sale]{Rules: []transforms.Rule[Sale]{
		{
			Column: "quantity",
			Valid:  func(s *Sale) bool { return s.Quantity > 0 },
			Value:  func(s *Sale) any { return s.Quantity },
			Reason: "is not positive",
		},
		{
			Valid:  func(s *Sale) bool { return s.Price*float64(s.Quantity) < 50 },
			Reason: "is too much for one sale",
		},
	}}, sales)
	// Output:
	// {ID:1 Product:anvil Quantity:1 Price:40}
	// {ID:2 Product:rope Quantity:3 Price:2.5}
	// rejected: is too much for one sale
	// rejected: column "quantity": "-1" is not positive
}
