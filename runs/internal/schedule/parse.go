package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a cron line. It may be used by several goroutines.
type Schedule struct {
	fields *cron.SpecSchedule
	fixed  bool // neither the hour nor the minute has a *
}

// Parse reads a cron line of five fields (minute, hour, day of month, month, day of week, of which 7 is Sunday as
// 0 is), or one of @hourly, @daily (or @midnight), @weekly, @monthly, @yearly (or @annually). It is in UTC unless it
// begins with a zone, as in "TZ=Europe/Istanbul 0 3 * * *". A line that is never due is an error.
func Parse(line string) (*Schedule, error) {
	s, err := parse(line)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", line, err)
	}
	return s, nil
}

func parse(line string) (*Schedule, error) {
	zone, rest := "UTC", strings.TrimSpace(line)
	for _, prefix := range []string{"TZ=", "CRON_TZ="} {
		if after, ok := strings.CutPrefix(rest, prefix); ok {
			zone, rest, _ = strings.Cut(after, " ")
			rest = strings.TrimSpace(rest)
			if rest == "" {
				return nil, errors.New("there is nothing after the zone")
			}
			break
		}
	}
	if strings.Contains(rest, "TZ=") { // the parser would take it once more
		return nil, errors.New("it has two zones")
	}
	if strings.Contains(rest, "@every") {
		return nil, errors.New("@every has no due dates of its own; use a cron line such as */5 * * * *")
	}
	if zone == "" || zone == "Local" { // another one on each machine
		return nil, fmt.Errorf("the zone %q is not that of a place, such as Europe/Istanbul", zone)
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(rest)
	if len(fields) == 5 {
		fields[4] = sundayAsZero(fields[4])
		rest = strings.Join(fields, " ")
	}
	parsed, err := cron.ParseStandard(rest)
	if err != nil {
		return nil, err
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("it has no due dates of its own")
	}
	s := &Schedule{fields: spec, fixed: rest != "@hourly"}
	if len(fields) == 5 {
		s.fixed = !strings.ContainsAny(fields[0]+fields[1], "*?")
	}
	spec.Location = location
	if s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, errors.New("there is no such day in the years to come")
	}
	return s, nil
}

// sundayAsZero writes 7 as a day of the week as the parser knows it. What it does not understand it leaves as it is.
func sundayAsZero(field string) string {
	parts := strings.Split(field, ",")
	for i, part := range parts {
		days, step, stepped := strings.Cut(part, "/")
		first, last, isRange := strings.Cut(days, "-")
		if !isRange && first == "7" && (!stepped || isPositive(step)) {
			parts[i] = "0"
		}
		if isRange && last == "7" {
			parts[i] = upToSunday(part, first, step, stepped)
		}
	}
	return strings.Join(parts, ",")
}

func isPositive(number string) bool {
	n, err := strconv.ParseUint(number, 10, 31)
	return err == nil && n > 0
}

// upToSunday lists the days of a range that ends with the day 7.
func upToSunday(part, first, step string, stepped bool) string {
	day, every := dayOf(first), 1
	if stepped {
		if !isPositive(step) {
			return part
		}
		every, _ = strconv.Atoi(step) // it is a number
	}
	if day < 0 {
		return part
	}
	var days []string
	for ; day <= 7; day += min(every, 8) {
		days = append(days, strconv.Itoa(day%7))
	}
	return strings.Join(days, ",")
}

// dayOf returns the number of a day of the week; -1 if it is none.
func dayOf(name string) int {
	if i := strings.Index("sun mon tue wed thu fri sat", strings.ToLower(name)); len(name) == 3 && i >= 0 && i%4 == 0 {
		return i / 4
	}
	n, err := strconv.ParseUint(name, 10, 31)
	if err != nil || n > 7 {
		return -1
	}
	return int(n)
}
