package salesetl

import (
	"time"

	"github.com/govalues/decimal"
)

// Sale is a line of in_store_sales.csv and a row of the table in_store_sales.
type Sale struct {
	SaleID    int64           `csv:"sale_id" db:"sale_id"`       // from 1, unique within its side
	Product   string          `csv:"product" db:"product"`       // the name, the same on both sides
	Quantity  int64           `csv:"quantity" db:"quantity"`     // in pieces
	UnitPrice decimal.Decimal `csv:"unit_price" db:"unit_price"` // numeric(12,2), for one piece
	SaleDate  time.Time       `csv:"sale_date" db:"sale_date"`   // a date: midnight in UTC
	Store     string          `csv:"store" db:"store"`           // where it was sold
}

// OnlineSale is a row of the table online_sales.
type OnlineSale struct {
	SaleID    int64           `csv:"sale_id" db:"sale_id"`       // from 1, unique within the table
	Product   string          `csv:"product" db:"product"`       // the name, the same on both sides
	Quantity  int64           `csv:"quantity" db:"quantity"`     // in pieces
	UnitPrice decimal.Decimal `csv:"unit_price" db:"unit_price"` // numeric(12,2), for one piece
	SaleDate  time.Time       `csv:"sale_date" db:"sale_date"`   // a date: midnight in UTC
	Customer  string          `csv:"customer" db:"customer"`
}

// Line is what the totals need of a sale, in a store or online.
type Line struct {
	Product   string          `db:"product"`
	Quantity  int64           `db:"quantity"`   // in pieces
	UnitPrice decimal.Decimal `db:"unit_price"` // for one piece
}

// toLine takes a Line out of a Sale.
func toLine(s *Sale, l *Line) error {
	*l = Line{Product: s.Product, Quantity: s.Quantity, UnitPrice: s.UnitPrice}
	return nil
}

// Total is a row of the table aggregated_sales: what was sold of one product, in the stores and online together.
type Total struct {
	Product       string          `csv:"product" db:"product"`               // the primary key
	TotalQuantity int64           `csv:"total_quantity" db:"total_quantity"` // in pieces
	TotalRevenue  decimal.Decimal `csv:"total_revenue" db:"total_revenue"`   // numeric(14,2), quantity times price, summed
}
