package salesetl

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/govalues/decimal"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

func sold(product string, quantity int64, price string) Line {
	return Line{Product: product, Quantity: quantity, UnitPrice: decimal.MustParse(price)}
}

func total(product string, quantity int64, revenue string) Total {
	return Total{product, quantity, decimal.MustParse(revenue)}
}

func TestTotalsAreExactAndInFirstSeenOrder(t *testing.T) {
	got := pipelinetest.Transform(t, byProduct(), []Line{
		sold("tea", 3, "0.10"), sold("coffee", 1, "9999999999.99"), sold("tea", 1, "0.2"), sold("tea", 2, "1.500"), sold("coffee", 1, "0.01"),
	})
	want := []Total{total("tea", 6, "3.50"), total("coffee", 2, "10000000000.00")}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTransformKeepsTheRules(t *testing.T) {
	in := []Line{sold("a", 1, "1.10"), sold("b", 2, "2.20"), sold("a", 3, "3.30"), sold("c", 4, "4.40"), sold("b", 5, "5.50")}
	pipelinetest.CheckTransform(t, byProduct(), in)
	pipelinetest.CheckTransform(t, byProduct(), in, pipelinetest.Unordered(), pipelinetest.WithStage(pipeline.Parallel(3)))
}

func TestWhatCannotBeAddedExactlyIsSetAside(t *testing.T) {
	for _, tt := range []struct {
		name   string
		bad    Line
		reject string
	}{
		{"a fraction of a cent", sold("x", 1, "1.005"), `column "unit_price": "1.005" has a fraction of a cent`},
		{"too many pieces", sold("x", math.MaxInt64, "0.00"), `column "quantity": "9223372036854775807" makes the total of "x" too large`},
		{"too much money", sold("x", 1_000_000_000, "9999999999.99"), `column "unit_price": "9999999999.99" makes the revenue of "x" too large`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := pipelinetest.RunTransform(t.Context(), byProduct(), []Line{sold("x", 1, "2.50"), tt.bad, sold("x", 2, "2.50")})
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if len(got.Rejects) != 1 || got.Rejects[0].String() != tt.reject {
				t.Errorf("rejects %v, want %s", got.Rejects, tt.reject)
			}
			if len(got.Records) != 1 || got.Records[0] != total("x", 3, "7.50") {
				t.Errorf("the others sum up to %v", got.Records)
			}
		})
	}
}

func TestLanesThatDoNotFitTogetherFail(t *testing.T) {
	for _, tt := range []struct {
		name        string
		into, other Total
		want        string
	}{
		{"pieces", total("x", math.MaxInt64, "1.00"), total("x", 1, "1.00"), `total quantity of "x": 9223372036854775807 and 1`},
		{"money", total("x", 1, "99999999999999999.99"), total("x", 1, "0.01"), `total revenue of "x": `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			was := tt.into
			err := tt.into.add(&tt.other)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || errors.Unwrap(err) == nil {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if tt.into != was {
				t.Errorf("changed to %v all the same", tt.into)
			}
		})
	}
	sum := total("x", 1, "1.25")
	if err := sum.add(&Total{"x", 2, decimal.MustParse("2.75")}); err != nil || sum != total("x", 3, "4.00") {
		t.Errorf("%v, %v", sum, err)
	}
}
