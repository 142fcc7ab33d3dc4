package schedule

import (
	"math/bits"
	"time"
)

// star is the bit by which robfig's parser tells that a field was *.
const star = 1 << 63

// farthest is how many years ahead a due date is looked for: February 29 comes at the latest after eight.
const farthest = 9

// Next returns the first due date after t, in UTC; the zero time if there is none within nine years.
func (s *Schedule) Next(t time.Time) time.Time {
	if s.fixed {
		return s.nextFixed(t)
	}
	return s.nextElapsed(t)
}

// nextFixed goes by the calendar. Which instant a time on the wall means never goes back when that time goes forward,
// so the first that lies after t is the next.
func (s *Schedule) nextFixed(t time.Time) time.Time {
	wall := s.wall(t).Add(time.Nanosecond)
	for limit := wall.Year() + farthest; ; wall = wall.Add(time.Minute) {
		if wall = s.match(wall, limit); wall.IsZero() {
			return wall
		}
		if at := s.instant(wall); at.After(t) {
			return at
		}
	}
}

// nextElapsed looks at one stretch of constant offset after the other.
func (s *Schedule) nextElapsed(t time.Time) time.Time {
	from := t.Add(time.Nanosecond).In(s.fields.Location)
	limit := from.Year() + farthest
	for {
		_, end := from.ZoneBounds()
		wall := s.match(s.wall(from), limit)
		if wall.IsZero() {
			return wall
		}
		at := wall.Add(-offsetAt(from))
		if end.IsZero() || at.Before(end) {
			return at
		}
		from = end
	}
}

// wall returns what clocks show at t, as a time in UTC.
func (s *Schedule) wall(t time.Time) time.Time {
	t = t.In(s.fields.Location)
	return t.UTC().Add(offsetAt(t))
}

func offsetAt(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// instant returns the first instant at which clocks show that time or, where it is left out, a later one.
func (s *Schedule) instant(wall time.Time) time.Time {
	y, m, d := wall.Date()
	// Date takes the offset before or after a change, without a promise which.
	guess := time.Date(y, m, d, wall.Hour(), wall.Minute(), 0, 0, s.fields.Location)
	start, end := guess.ZoneBounds()
	if !start.IsZero() {
		earlier := wall.Add(-offsetAt(start.Add(-time.Nanosecond)))
		if earlier.Before(start) {
			return earlier.UTC()
		}
		if s.wall(guess).After(wall) {
			return start.UTC()
		}
	}
	if s.wall(guess).Before(wall) {
		return end.UTC()
	}
	return guess.UTC()
}

// match returns the first time on a wall, not before from, that the fields name; the zero time if there is none up to
// the year limit.
func (s *Schedule) match(from time.Time, limit int) time.Time {
	f := s.fields
	if rest := from.Sub(from.Truncate(time.Minute)); rest > 0 {
		from = from.Truncate(time.Minute).Add(time.Minute)
	}
	first := from.Hour()*60 + from.Minute() // of the day
	y, month, d := from.Date()
	for day := time.Date(y, month, d, 0, 0, 0, 0, time.UTC); day.Year() <= limit; first = 0 {
		if f.Month&(1<<day.Month()) == 0 {
			day = time.Date(day.Year(), day.Month()+1, 1, 0, 0, 0, 0, time.UTC)
			continue
		}
		if s.onDay(day) {
			if minute, ok := s.inDay(first); ok {
				return day.Add(time.Duration(minute) * time.Minute)
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	return time.Time{}
}

// onDay is cron's rule: where both fields of days are set, either counts.
func (s *Schedule) onDay(day time.Time) bool {
	f := s.fields
	month, week := f.Dom&(1<<day.Day()) != 0, f.Dow&(1<<day.Weekday()) != 0
	if f.Dom&star != 0 || f.Dow&star != 0 {
		return month && week
	}
	return month || week
}

// inDay returns the first minute of a day, not before first, at which hour and minute match.
func (s *Schedule) inDay(first int) (minute int, ok bool) {
	for hour := first / 60; hour < 24; hour, first = hour+1, 0 {
		if s.fields.Hour&(1<<hour) == 0 {
			continue
		}
		if left := s.fields.Minute &^ star >> (first % 60) << (first % 60); left != 0 {
			return hour*60 + bits.TrailingZeros64(left), true
		}
	}
	return 0, false
}
