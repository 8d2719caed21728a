package expr

import "time"

// buildToday gives the day that it is in the zone of the map's source.
func buildToday(c *compiler, n *Node, _ []*Expr) *Expr {
	if problem := c.scope.Today(); problem != "" {
		return c.bad(n.pos, "%s", problem)
	}
	return &Expr{Type: Date, int: func(f *Frame) (int64, State) {
		if f.Today == 0 {
			return 0, Unknown
		}
		return f.Today, Known
	}}
}

// The days that can be written: 0001-01-01 to 9999-12-31.
var (
	firstDay = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 86400
	lastDay  = maxEpoch / 86400
)

// buildDays gives the day so many days after a day; outside the years 1 to 9999
// there is none.
func buildDays(c *compiler, n *Node, a []*Expr) *Expr {
	if !c.want(n, 0, a[0], Date) {
		return nil
	}
	count := a[1].int
	if a[1].Type != Int {
		d := a[1].number
		if d == nil {
			return c.problem(n, 1, a[1], "an integer as its number of days")
		}
		v, ok := d.Int64()
		if !ok {
			return c.bad(n.args[1].pos, "a number of days is whole")
		}
		count = constant(v)
	}
	sum := lift2(a[0].int, count, func(_ *Frame, day, n int64) int64 {
		if n > lastDay-firstDay || n < firstDay-lastDay {
			return lastDay + 1
		}
		return day + n
	})
	return &Expr{Type: Date, int: lift(sum, func(_ *Frame, day int64) (int64, bool) { return day, day >= firstDay && day <= lastDay })}
}

// Day is the day that it is at a moment in a zone, in days since 1970.
func Day(at time.Time, zone *time.Location) int64 {
	return floorDiv(at.Unix()+offset(at.Unix(), zone), 86400)
}
