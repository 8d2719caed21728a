// Package generate makes up patients and laboratory results for the tables of
// the map packs, and the traffic on them: seeded, so that a run can be had
// again, and with the oddities of the real databases in it. Nobody in it exists.
package generate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// Generator makes the statements of one seed. It is for one goroutine.
type Generator struct {
	r    *rand.Rand
	now  time.Time
	next int64 // the next patient's number
	live []int64
	lab  int64 // the last result's number
}

// New makes a generator; now is the time that its dates are near to, and its
// location the zone of the clocks of the tables.
func New(seed uint64, now time.Time) *Generator {
	return &Generator{r: rand.New(rand.NewPCG(seed, 0x706174)), now: now.Truncate(time.Second), next: 1}
}

var (
	firstNames = strings.Fields("Ann Bob Chloé David Eva Frank Gül Hannah Ivo Jürgen Kim Lars María Nils Olga Paul Qi Rosa Søren Tom Ute Vera Wim Xu Yara Zoë")
	lastNames  = strings.Fields("Miller O'Brien Schäfer García Nguyen Smith Jones Lee Brown Kowalski Öztürk Rossi Silva Novák Ivanov Weiß Meyer Costa Jensen Dubois")
	cities     = []string{"Atlanta", "Savannah", "Macon", "Augusta", "Columbus", "St. Mary's", "Peachtree City"}
	streets    = []string{"Main St", "Oak Ave", "2nd St", "Peach Tree Rd", `"The Elms" Ln`, "Back\\Slash Way"}
	statuses   = []string{"Lead", "Prospect", "Opportunity", "Current", "Current", "Current", "Former", "Promotional"}
	genders    = []string{"Male", "Female", "Female", "Male", "Other", "Unknown", ""}
	tests      = []struct {
		name, unit string
		low, high  float64
	}{
		{"Potassium", "mmol/L", 3.5, 5.1}, {"Glucose", "mg/dL", 70, 99}, {"Hemoglobin", "g/dL", 12, 17.5},
		{"TSH", "mIU/L", 0.4, 4}, {"Creatinine", "mg/dL", 0.6, 1.3}, {"CRP", "mg/L", 0, 5},
	}
)

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// Quote writes a text literal that both MySQL and MariaDB read.
func Quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\x00", `\0`).Replace(s) + "'"
}

const patientColumns = "PatNum, AggregationKeyID, FName, LName, Email, HmPhone, WirelessPhone, WkPhone, Address, Address2, City, State, Zip, " +
	"Birthdate, Gender, StatusOM, SubStatusOM, PatStatus, CRMtoOMSync, PatCreationDate, DateFirstVisit, LCAppointment, CRMUserDeleted, " +
	"BalTotal, EstBalance, Bal_0_30, Bal_31_60, Bal_61_90, BalOver90, PayPlanDue, FeeSched"

// Patients gives one INSERT of n new patients.
func (g *Generator) Patients(n int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO omaggregation (" + patientColumns + ") VALUES ")
	for i := range n {
		if i > 0 {
			b.WriteString(",\n")
		}
		b.WriteString(g.patient())
	}
	return b.String()
}

func (g *Generator) patient() string {
	r, id := g.r, g.next
	g.next++
	g.live = append(g.live, id)
	first, last := pick(r, firstNames), pick(r, lastNames)
	var v []string
	add := func(values ...string) { v = append(v, values...) }
	add(fmt.Sprint(id), Quote(fmt.Sprintf("AGG-%07d", id)), Quote(first), Quote(last), Quote(g.email(first, last, id)))
	add(Quote(g.phone()), Quote(g.phone()), Quote(g.sometimes(g.phone())))
	add(Quote(fmt.Sprintf("%d %s", 1+r.IntN(999), pick(r, streets))), Quote(g.sometimes(fmt.Sprintf("Apt %d", r.IntN(99)))))
	add(Quote(pick(r, cities)), Quote(pick(r, []string{"GA", "GA", "FL", "AL", "SC", ""})), Quote(fmt.Sprintf("%05d", 30000+r.IntN(2000))))
	add(g.date(40*365, 20*365), Quote(pick(r, genders)), Quote(pick(r, statuses)), g.null(Quote(pick(r, []string{"New", "Active", "Paused"}))))
	add(g.null(Quote(pick(r, []string{"Patient", "Inactive", "Archived"}))), g.null(fmt.Sprint(r.IntN(2))))
	add(g.null(g.date(400, 300)), g.date(300, 290), g.null(g.datetime(90)), fmt.Sprint(r.IntN(50)/49))
	add(g.balances()...)
	add(g.null(Quote(pick(r, []string{"Standard", "Employee", "Member"}))))
	return "(" + strings.Join(v, ", ") + ")"
}

// email is missing, shared by a family, or one's own.
func (g *Generator) email(first, last string, id int64) string {
	switch g.r.IntN(10) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("family%d@example.com", id/5)
	}
	ascii := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < 128 && r != '\'' {
				return r
			}
			return -1
		}, s)
	}
	return fmt.Sprintf("%s.%s%d@Example.com", ascii(first), ascii(last), id)
}

func (g *Generator) phone() string {
	n := g.r.IntN(10_000_000)
	if g.r.IntN(3) == 0 {
		return fmt.Sprintf("404555%04d", n%10000)
	}
	return fmt.Sprintf("(404) 555-%04d", n%10000)
}

func (g *Generator) sometimes(s string) string {
	if g.r.IntN(3) > 0 {
		return ""
	}
	return s
}

func (g *Generator) null(s string) string {
	if g.r.IntN(5) == 0 {
		return "NULL"
	}
	return s
}

// date lies about the given number of days back, or is none.
func (g *Generator) date(back, spread int) string {
	if g.r.IntN(12) == 0 {
		return "'0001-01-01'"
	}
	return "'" + g.now.AddDate(0, 0, -(back-spread+g.r.IntN(2*spread))).Format(time.DateOnly) + "'"
}

func (g *Generator) datetime(back int) string {
	return "'" + g.now.Add(-time.Duration(g.r.IntN(back*24*60))*time.Minute).Format(time.DateTime) + "'"
}

// money is a sum as a program with doubles makes it: 100.1 + 0.2 and the like.
func (g *Generator) money(most int) float64 {
	return float64(g.r.IntN(most*100))/100 + 0.1 - 0.1
}

func (g *Generator) balances() []string {
	b := []float64{g.money(300), g.money(150), g.money(90), g.money(90)}
	if g.r.IntN(3) > 0 {
		b = []float64{0, 0, 0, 0}
	} else if g.r.IntN(5) == 0 {
		b[3] += 400 + g.money(300) // old debts: these go over 500
	}
	total := b[0] + b[1] + b[2] + b[3]
	out := []string{}
	for _, f := range []float64{total, total * 0.8, b[0], b[1], b[2], b[3], math.Round(total/12*100) / 100} {
		out = append(out, fmt.Sprint(f))
	}
	return out
}

// Change gives a statement of everyday traffic on the patients: mostly updates,
// some new patients, few deletes.
func (g *Generator) Change() string {
	r := g.r
	if len(g.live) == 0 {
		return g.Patients(1)
	}
	id := g.live[r.IntN(len(g.live))]
	set := func(format string, args ...any) string {
		return fmt.Sprintf("UPDATE omaggregation SET "+format+" WHERE PatNum = %d", append(args, id)...)
	}
	switch n := r.IntN(100); {
	case n < 20:
		return set("StatusOM = %s", Quote(pick(r, statuses)))
	case n < 45:
		b := g.balances()
		return set("BalTotal = %s, EstBalance = %s, Bal_0_30 = %s, Bal_31_60 = %s, Bal_61_90 = %s, BalOver90 = %s, PayPlanDue = %s",
			b[0], b[1], b[2], b[3], b[4], b[5], b[6])
	case n < 60:
		return set("HmPhone = %s, WirelessPhone = %s", Quote(g.phone()), Quote(g.phone()))
	case n < 75:
		return set("Address = %s, City = %s", Quote(fmt.Sprintf("%d %s", 1+r.IntN(999), pick(r, streets))), Quote(pick(r, cities)))
	case n < 85:
		return set("LCAppointment = %s", g.null(g.datetime(30)))
	case n < 92:
		return set("LName = %s", Quote(pick(r, lastNames)))
	case n < 98:
		return g.Patients(1)
	}
	return g.delete(id)
}

func (g *Generator) delete(id int64) string {
	for i, other := range g.live {
		if other == id {
			g.live = append(g.live[:i], g.live[i+1:]...)
		}
	}
	return fmt.Sprintf("DELETE FROM omaggregation WHERE PatNum = %d", id)
}

// Live gives the numbers of the patients that there are.
func (g *Generator) Live() []int64 { return g.live }

const labColumns = "test_id, patient_id, test_name, test_result, test_units, reference_range_low, reference_range_high, test_date, ordering_provider, critical_flag"

// Results gives one INSERT of n laboratory results, of up to so many days ago,
// none of them critical unless criticalOld: then some, older than any alert.
func (g *Generator) Results(n, days int, criticalOld bool) string {
	var rows []string
	for range n {
		critical, back := 0, time.Duration(g.r.IntN(days*24*60))*time.Minute
		if criticalOld && g.r.IntN(10) == 0 {
			critical, back = 1, time.Duration(30+g.r.IntN(300))*24*time.Hour
		}
		row, _ := g.result(critical, g.now.Add(-back))
		rows = append(rows, row)
	}
	return "INSERT INTO lab_result (" + labColumns + ") VALUES " + strings.Join(rows, ",\n")
}

// Critical gives the INSERT of a critical result of the given time, and the
// result's number.
func (g *Generator) Critical(at time.Time) (statement string, id int64) {
	row, id := g.result(1, at)
	return "INSERT INTO lab_result (" + labColumns + ") VALUES " + row, id
}

func (g *Generator) result(critical int, at time.Time) (string, int64) {
	g.lab++
	t, patient := pick(g.r, tests), int64(1)
	if len(g.live) > 0 {
		patient = g.live[g.r.IntN(len(g.live))]
	}
	value := fmt.Sprintf("%.2f", t.low+g.r.Float64()*(t.high-t.low))
	switch {
	case critical == 1:
		value = fmt.Sprintf("%.2f", t.high*1.6)
	case g.r.IntN(15) == 0:
		value = pick(g.r, []string{"<0.1", "Positive", "trace", "", "see note 🙂", "≥ 5 \"high\""})
	}
	return fmt.Sprintf("(%d, %d, %s, %s, %s, %.4f, %.4f, '%s', %s, %d)", g.lab, patient, Quote(t.name), Quote(value), Quote(t.unit),
		t.low, t.high, at.In(g.now.Location()).Format(time.DateTime), Quote("Dr. "+pick(g.r, lastNames)), critical), g.lab
}
