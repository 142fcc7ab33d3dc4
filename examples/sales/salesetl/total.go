package salesetl

import (
	"fmt"

	"github.com/govalues/decimal"

	"github.com/millrace/millrace/transforms"
)

// cents is the scale of all amounts of money.
const cents = 2

// addLine adds a line of t's product. All sums are exact: what cannot be added exactly is set aside, and t is unchanged.
func (t *Total) addLine(l *Line) error {
	price := l.UnitPrice
	if price.Scale() > cents && price.MinScale() > cents {
		return transforms.Reject("unit_price", price.String(), "has a fraction of a cent")
	}
	quantity, err := addInt64(t.TotalQuantity, l.Quantity)
	if err != nil {
		return transforms.Reject("quantity", fmt.Sprint(l.Quantity), fmt.Sprintf("makes the total of %q too large", t.Product))
	}
	pieces, err := decimal.New(l.Quantity, 0)
	if err != nil {
		return transforms.Reject("quantity", fmt.Sprint(l.Quantity), err.Error())
	}
	// Exact means that an amount whose cents would be rounded away is an error.
	revenue, err := t.TotalRevenue.AddMulExact(pieces, price.Trim(cents), cents)
	if err != nil {
		return transforms.Reject("unit_price", price.String(), fmt.Sprintf("makes the revenue of %q too large", t.Product))
	}
	t.TotalQuantity, t.TotalRevenue = quantity, revenue
	return nil
}

// add adds another total of the same product.
func (t *Total) add(other *Total) error {
	quantity, err := addInt64(t.TotalQuantity, other.TotalQuantity)
	if err != nil {
		return fmt.Errorf("total quantity of %q: %w", t.Product, err)
	}
	revenue, err := t.TotalRevenue.AddExact(other.TotalRevenue, cents)
	if err != nil {
		return fmt.Errorf("total revenue of %q: %w", t.Product, err)
	}
	t.TotalQuantity, t.TotalRevenue = quantity, revenue
	return nil
}

func addInt64(a, b int64) (int64, error) {
	sum := a + b
	if (sum > a) != (b > 0) {
		return 0, fmt.Errorf("%d and %d together do not fit 64 bits", a, b)
	}
	return sum, nil
}
