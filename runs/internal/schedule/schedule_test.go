package schedule

import (
	"strings"
	"testing"
	"time"
)

func mustParse(t testing.TB, line string) *Schedule {
	t.Helper()
	s, err := Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dates returns the due dates of a stretch of time, as clocks there show them.
func dates(t *testing.T, line, from, to string) string {
	t.Helper()
	s := mustParse(t, line)
	begin, err := time.ParseInLocation("2006-01-02 15:04", from, s.fields.Location)
	if err != nil {
		t.Fatal(err)
	}
	end, err := time.ParseInLocation("2006-01-02 15:04", to, s.fields.Location)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	due, more := s.Dates(begin, end, 1000)
	if more {
		t.Fatal("more than a thousand")
	}
	for _, d := range due {
		if d.Location() != time.UTC {
			t.Errorf("%v is not in UTC", d)
		}
		all = append(all, d.In(s.fields.Location).Format("02T15:04Z0700"))
	}
	return strings.Join(all, " ")
}

func TestWhenALineIsDue(t *testing.T) {
	for _, c := range []struct {
		name, line, from, to string
		want                 string
	}{
		{"every day, in UTC unless it says otherwise", "30 2 * * *", "2026-03-28 00:00", "2026-03-30 00:00", "28T02:30Z 29T02:30Z"},
		{"a time that does not exist is due at the end of the gap", "TZ=Europe/Berlin 30 2 * * *", "2026-03-28 00:00", "2026-03-30 12:00", "28T02:30+0100 29T03:00+0200 30T02:30+0200"},
		{"times that meet at the end of the gap are due once", "TZ=Europe/Berlin 0,30 2-3 * * *", "2026-03-29 00:00", "2026-03-29 12:00", "29T03:00+0200 29T03:30+0200"},
		{"a time that comes twice is due at its first", "TZ=Europe/Berlin 30 2 * * *", "2026-10-24 12:00", "2026-10-26 12:00", "25T02:30+0200 26T02:30+0100"},
		{"a midnight that does not exist", "TZ=Asia/Beirut @daily", "2026-03-28 00:00", "2026-03-30 00:00", "28T00:00+0200 29T01:00+0300 30T00:00+0300"},
		{"a day that does not exist meets the next one", "TZ=Pacific/Apia 0 12 * * *", "2011-12-29 00:00", "2011-12-31 23:00", "29T12:00-1000 31T00:00+1400 31T12:00+1400"},
		{"two midnights that meet", "TZ=Pacific/Apia 0 0 * * *", "2011-12-29 00:00", "2012-01-01 00:00", "29T00:00-1000 31T00:00+1400 01T00:00+1400"},
		{"a gap of half an hour", "TZ=Australia/Lord_Howe 15 2 * * *", "2026-10-03 12:00", "2026-10-05 12:00", "04T02:30+1100 05T02:15+1100"},
		{"quarters of an hour go by elapsed time over a gap", "TZ=Europe/Berlin */15 * * * *", "2026-03-29 01:30", "2026-03-29 03:15", "29T01:30+0100 29T01:45+0100 29T03:00+0200 29T03:15+0200"},
		{"and over an hour that comes twice", "TZ=Europe/Berlin */30 * * * *", "2026-10-25 01:30", "2026-10-25 03:00",
			"25T01:30+0200 25T02:00+0200 25T02:30+0200 25T02:00+0100 25T02:30+0100 25T03:00+0100"},
		{"every hour goes by elapsed time", "TZ=Europe/Berlin @hourly", "2026-10-25 01:30", "2026-10-25 03:00", "25T02:00+0200 25T02:00+0100 25T03:00+0100"},
		{"every second hour too", "TZ=Europe/Berlin 0 */2 * * *", "2026-03-29 00:00", "2026-03-29 06:00", "29T00:00+0100 29T04:00+0200 29T06:00+0200"},
		{"hours that are named do not", "TZ=Europe/Berlin 0 0,2,4 * * *", "2026-03-29 00:00", "2026-03-29 06:00", "29T00:00+0100 29T03:00+0200 29T04:00+0200"},
		{"Sunday is 0", "0 0 * * 0", "2026-03-01 00:00", "2026-03-09 00:00", "01T00:00Z 08T00:00Z"},
		{"and 7", "0 0 * * 7", "2026-03-01 00:00", "2026-03-09 00:00", "01T00:00Z 08T00:00Z"},
		{"from Friday to 7", "0 0 * * fri-7", "2026-03-01 00:00", "2026-03-08 00:00", "01T00:00Z 06T00:00Z 07T00:00Z 08T00:00Z"},
		{"every second day from 1 to 7", "0 0 * * 1-7/2", "2026-03-02 00:00", "2026-03-09 00:00", "02T00:00Z 04T00:00Z 06T00:00Z 08T00:00Z 09T00:00Z"},
		{"Monday and 7", "0 0 * * 1,7", "2026-03-01 00:00", "2026-03-03 00:00", "01T00:00Z 02T00:00Z"},
		{"@weekly is on Sunday", "@weekly", "2026-03-01 00:00", "2026-03-09 00:00", "01T00:00Z 08T00:00Z"},
		{"@daily is at midnight in the zone", "TZ=Europe/Istanbul @daily", "2026-03-01 00:00", "2026-03-02 00:00", "01T00:00+0300 02T00:00+0300"},
		{"@monthly", "@monthly", "2026-03-01 00:00", "2026-04-01 00:00", "01T00:00Z 01T00:00Z"},
		{"a day of the month or of the week", "0 0 13 * fri", "2026-02-01 00:00", "2026-02-15 00:00", "06T00:00Z 13T00:00Z"},
		{"February 29, eight years on", "0 0 29 2 *", "2096-03-01 00:00", "2104-03-01 00:00", "29T00:00Z"},
		{"a zone that once was minutes and seconds off", "TZ=Europe/Amsterdam 0 3 * * *", "1930-01-01 00:00", "1930-01-02 00:00", "01T03:00+0019"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := dates(t, c.line, c.from, c.to); got != c.want {
				t.Errorf("%s is due at %s, want %s", c.line, got, c.want)
			}
		})
	}
}

func TestALineThatIsNone(t *testing.T) {
	for line, want := range map[string]string{
		"":                         "empty spec string",
		"61 * * * *":               "end of range (61) above maximum (59)",
		"0 0 * * 8":                "above maximum (6)",
		"0 0 * * 7/0":              "",
		"0 0 * * 3-7/0":            "",
		"0 0 * * 7-3":              "",
		"0 0 * * x-7":              "",
		"0 0 * * * *":              "expected exactly 5 fields",
		"TZ=Mars/Base 0 * * * *":   "Mars/Base",
		"TZ=UTC":                   "nothing after the zone",
		"TZ=UTC  ":                 "nothing after the zone",
		"TZ= 0 0 * * *":            "not that of a place",
		"TZ=Local 0 0 * * *":       "not that of a place",
		"0 0 31 2 *":               "there is no such day",
		"@every 5m":                "@every has no due dates",
		"CRON_TZ=UTC @every 5m":    "@every has no due dates",
		"@fortnightly":             "unrecognized descriptor",
		"TZ=UTC TZ=UTC 0 0 * * *":  "two zones",
		"TZ=UTC TZ=UTC":            "two zones",
		"TZ=../../etc 0 0 * * *":   "",
		"0 0 * * 1-7/999999999999": "",
	} {
		_, err := Parse(line)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "schedule ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want %q", line, err, want)
		}
	}
}

// Catching up over days on which clocks are changed: one run a date, none left out.
func TestDueDatesThatWereMissed(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed.UTC()
	}
	s := mustParse(t, "TZ=Europe/Berlin 30 2 * * *")
	first, now := at("2026-03-28T01:30:00Z"), at("2026-03-30T09:00:00Z")
	for _, c := range []struct {
		name   string
		missed CatchUp
		most   int
		want   []time.Time
	}{
		{"all", All, 100, []time.Time{first, at("2026-03-29T01:00:00Z"), at("2026-03-30T00:30:00Z")}},
		{"the newest two", All, 2, []time.Time{at("2026-03-29T01:00:00Z"), at("2026-03-30T00:30:00Z")}},
		{"the last", Last, 100, []time.Time{at("2026-03-30T00:30:00Z")}},
		{"none that is late", Skip, 100, nil},
	} {
		got, next := s.Due(first, now, c.missed, c.most)
		if len(got) != len(c.want) || !next.Equal(at("2026-03-31T00:30:00Z")) {
			t.Errorf("%s: %v, then %v", c.name, got, next)
			continue
		}
		for i := range got {
			if !got[i].Equal(c.want[i]) {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	}
	if got, _ := s.Due(at("2026-03-29T01:00:00Z"), at("2026-03-29T01:00:30Z"), Skip, 1); len(got) != 1 {
		t.Errorf("one that is due now counts as missed: %v", got)
	}
	if got, more := s.Dates(first, now, 2); len(got) != 2 || !more {
		t.Errorf("%v, %v", got, more)
	}
	if got, more := (*Schedule)(nil).Dates(first, now, 10); len(got) != 2 || more || !got[0].Equal(at("2026-03-29T00:00:00Z")) {
		t.Errorf("without a schedule: %v, %v", got, more)
	}
}
