package schedule

import (
	"archive/zip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
)

// stretch is a time of constant offset.
type stretch struct {
	start, end time.Time
	offset     time.Duration
}

// stretches returns those of a zone that lie in a span, and one before and after it.
func stretches(zone *time.Location, from, to time.Time) (all []stretch) {
	for t := from.AddDate(-1, 0, 0); t.Before(to.AddDate(1, 0, 0)); {
		start, end := t.In(zone).ZoneBounds()
		_, seconds := t.In(zone).Zone()
		if start.IsZero() {
			start = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		if end.IsZero() {
			end = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		all = append(all, stretch{start.UTC(), end.UTC(), time.Duration(seconds) * time.Second})
		t = end
	}
	return all
}

// expected is what the package's comment says, word by word: for each date each time of the line, and for each of
// those the first instant at which clocks show it, or more; or else every instant at which they show one. It returns
// those in (from, to].
func expected(s *Schedule, all []stretch, from, to time.Time) (due []time.Time) {
	f := s.fields
	for day := from.Add(-72 * time.Hour).Truncate(24 * time.Hour); day.Before(to.Add(72 * time.Hour)); day = day.Add(24 * time.Hour) {
		monthly, weekly := f.Dom>>day.Day()&1 == 1, f.Dow>>int(day.Weekday())&1 == 1
		either := f.Dom>>63 == 0 && f.Dow>>63 == 0
		if f.Month>>int(day.Month())&1 == 0 || either && !monthly && !weekly || !either && (!monthly || !weekly) {
			continue
		}
		for minute := range 24 * 60 {
			if f.Hour>>(minute/60)&1 == 0 || f.Minute>>(minute%60)&1 == 0 {
				continue
			}
			wall := day.Add(time.Duration(minute) * time.Minute)
			var shown, reached []time.Time
			for _, p := range all {
				at := wall.Add(-p.offset)
				if !at.Before(p.start) && at.Before(p.end) {
					shown = append(shown, at)
				}
				if at.Before(p.start) {
					at = p.start
				}
				if at.Before(p.end) {
					reached = append(reached, at)
				}
			}
			if s.fixed {
				shown = []time.Time{slices.MinFunc(reached, time.Time.Compare)}
			}
			due = append(due, shown...)
		}
	}
	slices.SortFunc(due, time.Time.Compare)
	due = slices.CompactFunc(due, time.Time.Equal)
	return slices.DeleteFunc(due, func(t time.Time) bool { return !t.After(from) || t.After(to) })
}

// zones returns the names of all zones there are.
func zones(t testing.TB) (names []string) {
	t.Helper()
	archive, err := zip.OpenReader(filepath.Join(runtime.GOROOT(), "lib", "time", "zoneinfo.zip")) //nolint:staticcheck // the toolchain that runs the test has it
	if err != nil {
		t.Skip("no list of zones: ", err)
	}
	defer archive.Close()
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") && f.Name != "Factory" {
			names = append(names, f.Name)
		}
	}
	return names
}

var lines = []string{
	"30 2 * * *", "0 0 * * *", "0 1 * * *", "59 23 * * *", "5,35 0-4 * * *", "0 3 * * 7", "15 1 29 3 *", "0 2 25-31 10 0", "10 2 1,15 * mon",
	"*/15 * * * *", "7 * * * *", "0 */3 * * *", "*/20 1-3 * * *", "@daily", "@hourly",
}

// Every zone, over ten years: around each change of clocks, and as a whole where all is wanted.
func TestAllZonesOverTenYears(t *testing.T) {
	all := os.Getenv("MILLRACE_PROOF") == "full"
	from, to := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2034, 1, 1, 0, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	dates, spans := 0, 0
	for _, name := range zones(t) {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		known := stretches(zone, from, to)
		same := fmt.Sprint(known)
		if seen[same] && !all {
			continue
		}
		seen[same] = true
		type span struct{ from, to time.Time }
		around := []span{{from, from.AddDate(0, 0, 3)}}
		for _, p := range known {
			if p.start.After(from) && p.start.Before(to) {
				around = append(around, span{p.start.Add(-26 * time.Hour), p.start.Add(26 * time.Hour)})
			}
		}
		for i, line := range lines {
			s := mustParse(t, "TZ="+name+" "+line)
			these := around
			if all && i < 9 { // those that are due a few times a day
				these = append(slices.Clone(around), span{from, to})
			}
			for _, p := range these {
				spans++
				at := p.from
				for _, want := range expected(s, known, p.from, p.to) {
					dates++
					if at = s.Next(at); !at.Equal(want) {
						t.Fatalf("%s %s: after the last date comes %v, want %v", name, line, at.In(zone), want.In(zone))
					}
				}
				if at = s.Next(at); !at.After(p.to) {
					t.Fatalf("%s %s: %v is too much", name, line, at.In(zone))
				}
			}
		}
	}
	t.Logf("%d zones that differ, %d spans, %d due dates", len(seen), spans, dates)
}

// FuzzSchedule feeds cron lines, zones and moments. What is taken is due as the package says, and in UTC as the parser's
// own author has it.
func FuzzSchedule(f *testing.F) {
	for _, line := range append(slices.Clone(lines), "0 0 29 2 *", "0 0 31 2 *", "* * * * *", "0 0 * * 5-7", "0 0 ? * sun", "TZ=UTC", "@every 1s", "*/0 * * * *", "0 0 * * 7/2", "60 * * * *", "1-59/61 0 * * *") {
		f.Add(line, "Europe/Berlin", int64(1774746000))
		f.Add(line, "Pacific/Apia", int64(1325239200))
	}
	f.Add("0,30 2-3 * * *", "Australia/Lord_Howe", int64(1791041400))
	f.Add("0 3 * * *", "Africa/Casablanca", int64(1771120800))
	f.Add("0 3 * * *", "\x00", int64(-1e11))
	f.Fuzz(func(t *testing.T, line, zone string, unix int64) {
		const centuries = 4_000_000_000 // 1843 to 2096
		from := time.Unix(unix%centuries, unix%1000*1e6).UTC()
		s, err := Parse("TZ=" + zone + " " + line)
		if err != nil {
			if strings.Contains(err.Error(), "\n") && !strings.Contains(line+zone, "\n") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		to := from.AddDate(0, 0, 2)
		at := from
		for _, want := range expected(s, stretches(s.fields.Location, from, to), from, to) {
			if at = s.Next(at); !at.Equal(want) {
				t.Fatalf("%s %s: after %v comes %v, want %v", zone, line, from, at, want)
			}
		}
		if next := s.Next(at); !next.IsZero() && !next.After(to) {
			t.Fatalf("%s %s: %v is too much", zone, line, next)
		}
		utc, err := Parse(line)
		if err != nil {
			return
		}
		theirs, err := cron.ParseStandard("TZ=UTC " + line)
		if err != nil || utc.fields.Location != time.UTC {
			return // Sunday as 7, or a zone in the line
		}
		at = from
		for range 5 + rand.IntN(3) {
			want := theirs.Next(at)
			if at = utc.Next(at); want.IsZero() {
				break // it looks less far ahead
			}
			if !at.Equal(want) {
				t.Fatalf("%s: got %v, the parser's own is %v", line, at, want)
			}
		}
	})
}
