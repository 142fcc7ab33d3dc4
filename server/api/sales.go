package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"
)

// saleTotal is a row of aggregated_sales.
type saleTotal struct {
	Product  string `json:"product"`
	Quantity int64  `json:"total_quantity" doc:"in pieces"`
	Revenue  amount `json:"total_revenue" doc:"quantity times price, summed; exact, with two decimals"`
}

// amount is a number as Postgres wrote it: through a float it could lose its cents.
type amount string

// MarshalJSON writes the number.
func (m amount) MarshalJSON() ([]byte, error) { return json.Marshal(json.Number(m)) }

// Schema tells Huma what MarshalJSON writes.
func (amount) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeNumber} }

type salesInput struct {
	Sort  string `query:"sort" default:"-total_revenue" enum:"product,-product,total_quantity,-total_quantity,total_revenue,-total_revenue" doc:"by which column; with - the largest first"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
	Page  string `query:"page_token" maxLength:"1024" doc:"next of the page before"`
}

type salesOutput struct {
	Body struct {
		Items []saleTotal `json:"items"`
		Next  string      `json:"next,omitempty" doc:"page_token of the next page; absent at the end"`
	}
}

// salesQueries hold a query for each order: the first rows after a value and a product, or all if there is no value.
var salesQueries = map[string]string{
	"product":         salesSelect + "WHERE $1::text IS NULL OR product > $2 ORDER BY product LIMIT $3",
	"-product":        salesSelect + "WHERE $1::text IS NULL OR product < $2 ORDER BY product DESC LIMIT $3",
	"total_quantity":  salesSelect + "WHERE $1::text IS NULL OR (total_quantity, product) > ($1::bigint, $2) ORDER BY total_quantity, product LIMIT $3",
	"-total_quantity": salesSelect + "WHERE $1::text IS NULL OR (total_quantity, product) < ($1::bigint, $2) ORDER BY total_quantity DESC, product DESC LIMIT $3",
	"total_revenue":   salesSelect + "WHERE $1::text IS NULL OR (total_revenue, product) > ($1::numeric, $2) ORDER BY total_revenue, product LIMIT $3",
	"-total_revenue":  salesSelect + "WHERE $1::text IS NULL OR (total_revenue, product) < ($1::numeric, $2) ORDER BY total_revenue DESC, product DESC LIMIT $3",
}

// The text has another name than the column, which would otherwise be sorted as text.
const salesSelect = "SELECT product, total_quantity, total_revenue::text AS revenue_text FROM aggregated_sales "

func (a *API) registerSales() {
	register(a, huma.Operation{
		OperationID: "list-sales", Method: http.MethodGet, Path: "/api/sales",
		Summary: "What was sold of each product, from aggregated_sales", Tags: []string{"data"},
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, a.sales)
}

func (a *API) sales(ctx context.Context, in *salesInput) (*salesOutput, error) {
	from, err := readSalesToken(in.Page, in.Sort)
	if err != nil {
		return nil, err
	}
	rows, err := a.config.Reads.Query(ctx, salesQueries[in.Sort], from.Value, from.Product, in.Limit+1)
	if err != nil {
		return nil, noTable("aggregated_sales", err)
	}
	out := &salesOutput{}
	out.Body.Items, err = pgx.AppendRows([]saleTotal{}, rows, pgx.RowToStructByPos[saleTotal])
	if err != nil {
		return nil, noTable("aggregated_sales", err)
	}
	if len(out.Body.Items) > in.Limit {
		out.Body.Items = out.Body.Items[:in.Limit]
		out.Body.Next = salesTokenAfter(in.Sort, out.Body.Items[in.Limit-1])
	}
	return out, nil
}

// salesToken says after which row a page begins. It gives no right, so that it is no secret; its checksum is there to
// tell a client that it was changed or cut.
type salesToken struct {
	Sort    string  `json:"s"`
	Value   *string `json:"v"` // nil: from the start
	Product string  `json:"p"`
}

const checksumSize = 8

func salesTokenAfter(sort string, last saleTotal) string {
	t := salesToken{Sort: sort, Product: last.Product}
	value := last.Product
	switch strings.TrimPrefix(sort, "-") {
	case "total_quantity":
		value = strconv.FormatInt(last.Quantity, 10)
	case "total_revenue":
		value = string(last.Revenue)
	}
	t.Value = &value
	text, _ := json.Marshal(t) // strings always have a form
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(append(sum[:checksumSize], text...))
}

func readSalesToken(token, sort string) (salesToken, error) {
	t := salesToken{Sort: sort}
	if token == "" {
		return t, nil
	}
	wrong := func(what string) error {
		return problem(http.StatusUnprocessableEntity, what, &huma.ErrorDetail{Message: what, Location: "query.page_token"})
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < checksumSize {
		return t, wrong("the page token is not one of this server's")
	}
	sum := sha256.Sum256(raw[checksumSize:])
	if string(sum[:checksumSize]) != string(raw[:checksumSize]) || json.Unmarshal(raw[checksumSize:], &t) != nil || t.Value == nil {
		return t, wrong("the page token is not one of this server's")
	}
	if t.Sort != sort {
		return t, wrong("the page token belongs to another order: ask with sort=" + t.Sort)
	}
	if !t.sound() {
		return t, wrong("the page token is not one of this server's")
	}
	return t, nil
}

// sound tells whether Postgres can read the values: who knows how the checksum is made can write anything.
func (t salesToken) sound() bool {
	if !utf8.ValidString(t.Product+*t.Value) || strings.ContainsRune(t.Product+*t.Value, 0) {
		return false
	}
	switch strings.TrimPrefix(t.Sort, "-") {
	case "total_quantity":
		_, err := strconv.ParseInt(*t.Value, 10, 64)
		return err == nil
	case "total_revenue":
		digits := strings.TrimPrefix(*t.Value, "-")
		return len(digits) <= 100 && strings.Count(digits, ".") <= 1 && strings.Trim(digits, "0123456789.") == "" && strings.Trim(digits, ".") != ""
	}
	return true
}
