package structgen

import (
	"strings"
	"time"
)

// A timeForm is a way in which times are written.
type timeForm struct {
	layout string // "" for what a source reads without one
	order  byte   // of its date, where another order would look alike: 'd' for the day first, 'm' for the month
}

// timeForms are tried from the first to the last: the more usual one of two that read the same stands before.
var timeForms = makeTimeForms()

func makeTimeForms() []timeForm {
	forms := []timeForm{{}}
	clocks := []string{
		"", " 15:04", " 15:04:05", " 3:04 PM", " 3:04:05 PM", "T15:04", "T15:04:05", " 15:04:05 -0700", " 15:04:05 -07:00",
	}
	for _, date := range []timeForm{
		{layout: "2006-01-02"}, {layout: "2006/01/02"}, {layout: "2006.01.02"}, {layout: "2006-1-2"}, {layout: "2006/1/2"},
		{"02.01.2006", 'd'}, {"01.02.2006", 'm'}, {"2.1.2006", 'd'}, {"1.2.2006", 'm'}, {"02.01.06", 'd'}, {"01.02.06", 'm'},
		{"02/01/2006", 'd'}, {"01/02/2006", 'm'}, {"2/1/2006", 'd'}, {"1/2/2006", 'm'}, {"02/01/06", 'd'}, {"01/02/06", 'm'},
		{"2/1/06", 'd'}, {"1/2/06", 'm'}, {"02-01-2006", 'd'}, {"01-02-2006", 'm'}, {"2-1-2006", 'd'}, {"1-2-2006", 'm'},
		{layout: "02-Jan-2006"}, {layout: "2-Jan-06"}, {layout: "02 Jan 2006"}, {layout: "2 January 2006"}, {layout: "Jan 2, 2006"},
		{layout: "January 2, 2006"}, {layout: "Mon, 02 Jan 2006"},
	} {
		for _, clock := range clocks {
			forms = append(forms, timeForm{date.layout + clock, date.order})
		}
	}
	for _, layout := range []string{time.ANSIC, time.RFC850, "20060102T150405", "20060102T150405Z0700", "02/Jan/2006:15:04:05 -0700"} {
		if !strings.Contains(layout, "MST") {
			forms = append(forms, timeForm{layout: layout})
		}
	}
	return forms
}

// defaultLayouts are what a source reads without a Layout.
var defaultLayouts = []string{
	time.DateOnly, time.DateTime, "2006-01-02T15:04:05", time.RFC3339,
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05Z07", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07",
}

// reads tells whether a form reads the value, and a column of Postgres holds it without rounding.
func (f timeForm) reads(value string) bool {
	if len(value) < 6 || len(value) > 64 {
		return false
	}
	layouts := []string{f.layout}
	if f.layout == "" {
		layouts = defaultLayouts
	}
	for _, layout := range layouts {
		at, err := time.Parse(layout, value)
		if err != nil {
			continue
		}
		_, fraction, _ := strings.Cut(value, ".")
		return at.Nanosecond()%1000 == 0 && at.Year() >= 1 && digits(fraction) <= 9
	}
	return false
}

// digits counts those that s begins with.
func digits(s string) int {
	return len(s) - len(strings.TrimLeft(s, "0123456789"))
}
