package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestWhoAsksDuringAReadGetsTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		reads := 0
		s := &sharedRead{read: func(context.Context) ([]byte, error) {
			reads++
			n := reads
			<-goOn
			return []byte(strconv.Itoa(n)), nil
		}}
		answers := make(chan string, 101)
		ask := func() {
			body, err := s.get(t.Context())
			answers <- fmt.Sprint(string(body), err)
		}
		go ask()
		synctest.Wait() // the first read is under way
		for range 100 {
			go ask()
		}
		synctest.Wait()
		goOn <- struct{}{}
		synctest.Wait()
		if got := <-answers; got != "1<nil>" || len(answers) != 0 {
			t.Errorf("the first answer is %s, and %d others came with it", got, len(answers))
		}
		goOn <- struct{}{}
		for range 100 {
			if got := <-answers; got != "2<nil>" {
				t.Errorf("who asked during the first read was answered %s", got)
			}
		}
		if reads != 2 {
			t.Errorf("%d reads, want 2", reads)
		}
	})
}

// TestAnAnswerIsNeverOlderThanItsQuestion counts up a value while many ask for it.
func TestAnAnswerIsNeverOlderThanItsQuestion(t *testing.T) {
	var value atomic.Int64
	s := &sharedRead{read: func(context.Context) ([]byte, error) { return strconv.AppendInt(nil, value.Load(), 10), nil }}
	var askers sync.WaitGroup
	for range 8 {
		askers.Go(func() {
			for range 2000 {
				before := value.Add(1)
				body, err := s.get(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if got, _ := strconv.ParseInt(string(body), 10, 64); got < before {
					t.Errorf("asked when it was %d, answered %d", before, got)
					return
				}
			}
		})
	}
	askers.Wait()
}

func TestAReadThatFailsOrPanicsIsAnErrorForItsAskersOnly(t *testing.T) {
	n := 0
	s := &sharedRead{read: func(context.Context) ([]byte, error) {
		n++
		switch n {
		case 1:
			return nil, errors.New("no")
		case 2:
			panic("oh")
		}
		return []byte("yes"), nil
	}}
	for _, want := range []string{"no", "panic: oh", ""} {
		body, err := s.get(t.Context())
		if want == "" && (err != nil || string(body) != "yes") || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%q, %v; want error %q", body, err, want)
		}
	}
}

func TestWhoGivesUpLeavesTheReadToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		s := &sharedRead{read: func(ctx context.Context) ([]byte, error) {
			<-goOn
			return nil, ctx.Err()
		}}
		impatient, giveUp := context.WithCancel(t.Context())
		ends := make(chan error, 2)
		go func() { _, err := s.get(impatient); ends <- err }()
		synctest.Wait()
		giveUp()
		if err := <-ends; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		go func() { _, err := s.get(t.Context()); ends <- err }()
		synctest.Wait()
		goOn <- struct{}{}
		goOn <- struct{}{}
		if err := <-ends; err != nil {
			t.Error(err)
		}
	})
}

func TestStringsOfJSONAreQuoted(t *testing.T) {
	for in, want := range map[string]string{
		"Sude": `"Sude"`, "": `""`, `a"b\c`: `"a\"b\\c"`, "a\nb": `"a\nb"`, "é": `"é"`,
		"</script>": `"\u003c/script\u003e"`, "\xff": `"\ufffd"`, "\u2028": `"\u2028"`,
	} {
		if got := string(appendJSON(nil, in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// FuzzSalesToken feeds page tokens that nobody gave: none may be taken for one with values that the database cannot read.
func FuzzSalesToken(f *testing.F) {
	for _, sort := range []string{"product", "-total_quantity", "total_revenue"} {
		f.Add(salesTokenAfter(sort, saleTotal{Product: "Café, 250 g", Quantity: 3, Revenue: "12.50"}), sort)
	}
	f.Add("", "product")
	f.Add("zzzz", "product")
	f.Fuzz(func(t *testing.T, token, sort string) {
		got, err := readSalesToken(token, sort)
		if err != nil || token == "" {
			return
		}
		if got.Sort != sort || got.Value == nil || strings.ContainsRune(*got.Value+got.Product, 0) {
			t.Errorf("%q was taken for %+v", token, got)
		}
		last := saleTotal{Product: got.Product, Revenue: amount(*got.Value)}
		last.Quantity, _ = strconv.ParseInt(*got.Value, 10, 64)
		if again, err := readSalesToken(salesTokenAfter(sort, last), sort); err != nil || again.Product != got.Product {
			t.Errorf("%+v does not come back: %v", got, err)
		}
	})
}
