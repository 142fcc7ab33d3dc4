package salesetl

import "github.com/govalues/decimal"

// InStoreSale is a line of in_store_sales.csv and a row of the table in_store_sales.
type InStoreSale struct {
	SaleID    int64           `csv:"sale_id" db:"sale_id"`       // from 1, unique within the file
	Product   string          `csv:"product" db:"product"`       // the name, as in OnlineSale
	Quantity  int64           `csv:"quantity" db:"quantity"`     // in pieces
	UnitPrice decimal.Decimal `csv:"unit_price" db:"unit_price"` // numeric(12,2), for one piece
	SaleDate  Date            `csv:"sale_date" db:"sale_date"`
	Store     string          `csv:"store" db:"store"`
}

// OnlineSale is a row of the table online_sales.
type OnlineSale struct {
	SaleID    int64           `csv:"sale_id" db:"sale_id"`       // from 1, unique within the table
	Product   string          `csv:"product" db:"product"`       // the name, as in InStoreSale
	Quantity  int64           `csv:"quantity" db:"quantity"`     // in pieces
	UnitPrice decimal.Decimal `csv:"unit_price" db:"unit_price"` // numeric(12,2), for one piece
	SaleDate  Date            `csv:"sale_date" db:"sale_date"`
	Customer  string          `csv:"customer" db:"customer"`
}

// Total is a row of the table aggregated_sales: what was sold of one product, in the stores and online together.
type Total struct {
	Product       string          `csv:"product" db:"product"`               // the primary key
	TotalQuantity int64           `csv:"total_quantity" db:"total_quantity"` // in pieces
	TotalRevenue  decimal.Decimal `csv:"total_revenue" db:"total_revenue"`   // numeric(14,2), quantity times price, summed
}
