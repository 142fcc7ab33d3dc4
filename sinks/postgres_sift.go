package sinks

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
)

// How many rows are asked for one by one at a time: few where a row is refused now and then, many where
// refusals are dense.
const (
	leastOneByOne = 32
	mostOneByOne  = 512
)

// sifter loads rows of which the server refuses some. Rows are loaded together as long as it takes them, since that is
// the fastest; where it refuses them, they are loaded one by one (in one exchange), until they go well again. Rows keep
// their order, so that of two with the same key the first is loaded.
type sifter struct {
	rows   int
	enough func() bool                               // the budget is broken: looking for more is in vain
	load   func(from, to int) error                  // all or none of these rows
	each   func(from, to int) (refused int, _ error) // each for itself; it keeps the rejects
}

func (s sifter) run() error {
	together, oneByOne := s.rows, leastOneByOne
	for at := 0; at < s.rows && !s.enough(); {
		if n := min(together, s.rows-at); n > oneByOne {
			err := s.load(at, at+n)
			if err == nil {
				at += n
				together *= 8
				continue
			}
			if !isRowProblem(err) {
				return err
			}
			together /= 8
			// Those before the row that the server names are most likely good.
			good := namedLine(err, n) - 1
			if good < 0 {
				continue
			}
			if together = 0; good > oneByOne {
				err := s.load(at, at+good)
				if err != nil && !isRowProblem(err) {
					return err
				}
				if err == nil {
					at += good
				}
			}
			continue
		}
		to := min(at+oneByOne, s.rows)
		refused, err := s.each(at, to)
		if err != nil {
			return err
		}
		if refused*8 < to-at {
			together, oneByOne = max(together, 8*oneByOne), leastOneByOne
		} else {
			together, oneByOne = 0, min(2*oneByOne, mostOneByOne)
		}
		at = to
	}
	return nil
}

// namedLine is the row of a COPY of n rows that the server names, from 1; 0 if it names none.
func namedLine(err error, n int) int {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return 0
	}
	if line := pgcatalog.CopyLine(refused); line >= 1 && line <= int64(n) {
		return int(line)
	}
	return 0
}
