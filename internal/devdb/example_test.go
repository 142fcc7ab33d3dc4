//go:build unix

package devdb_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/devdb"
)

func ExampleStart() {
	ctx := context.Background()
	server, err := devdb.Start(ctx, devdb.Options{}) // Log: os.Stderr says which one
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close() // and without it, too, the server goes when the process ends

	conn, err := pgx.Connect(ctx, server.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ctx)
	var sum int
	if err := conn.QueryRow(ctx, "SELECT 40 + 2").Scan(&sum); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sum)
	// Output: 42
}
