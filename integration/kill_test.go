package integration_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"chartwire/integration/faults"
	"chartwire/integration/servers"
	"chartwire/schemas/maps/generate"
	"chartwire/sinks/hubspot/hubspottest"
)

// TestKills holds the promises against everything that can end, hang or be out
// of reach, while a writer flips values and rules there and back: afterwards
// every record is what its row says, and none, no ticket and no page is there
// twice or missing.
//
// CHARTWIRE_SEED repeats a run, CHARTWIRE_ROUNDS makes it longer: each round is
// all faults in another order, or those that CHARTWIRE_FAULTS matches.
func TestKills(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "takeover-killed", "a standby takes over; afterwards every record is what its row says")
	if testing.Short() {
		t.Skip("needs real servers: not under -short")
	}
	t.Logf("CHARTWIRE_SEED=%d", seed(t))
	toKafka, listeners := links(t, 2)
	kafka := servers.KafkaWith(t, servers.ClusterOptions{Listeners: listeners})
	r := newRoad(t, site{brokers: kafka.Addr, patients: 100})
	r.provision()
	c := newCrew(r, toKafka)
	r.until(90*time.Second, "every patient is a contact", func() bool { return len(r.sim.Records("contacts")) >= 100 })

	f := newFlips(r)
	stop := r.traffic(15*time.Millisecond, f.next, f.next, f.next, r.gen.Change)
	draw := rand.New(rand.NewPCG(seed(t), 1))
	only := regexp.MustCompile(os.Getenv("CHARTWIRE_FAULTS"))
	all := slices.DeleteFunc(crewFaults(c, kafka), func(f fault) bool { return !only.MatchString(f.name) })
	for range number(t, "CHARTWIRE_ROUNDS", 1) {
		for _, i := range draw.Perm(len(all)) {
			time.Sleep(time.Duration(draw.IntN(1500)) * time.Millisecond)
			t.Logf("%s %s", time.Now().Format("15:04:05.000"), all[i].name)
			all[i].do(draw)
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("%d statements, %d alarms", stop(), r.alarms())
	r.sim.Clear()
	r.equal(120 * time.Second)
	if out, code := r.chartwire("dlq", "list"); out != "no dead letters\n" || code != 0 {
		t.Errorf("chartwire dlq list: exit code %d\n%s", code, out)
	}
}

// fault is one thing that goes wrong, and is over when do returns.
type fault struct {
	name string
	do   func(draw *rand.Rand)
}

func crewFaults(c *crew, kafka *servers.Cluster) (list []fault) {
	add := func(name string, do func(draw *rand.Rand)) { list = append(list, fault{name, do}) }
	for _, stage := range stages {
		add(stage+" is killed", func(*rand.Rand) { c.kill(stage, false) })
		add(stage+" is killed, and its folder is gone", func(*rand.Rand) { c.kill(stage, true) })
		add(stage+" hangs past its lease", func(draw *rand.Rand) {
			p := c.holder(stage)
			p.signal(syscall.SIGSTOP)
			c.takenOver(p)
			time.Sleep(time.Duration(draw.IntN(1000)) * time.Millisecond)
			p.signal(syscall.SIGCONT)
		})
		add(stage+" hangs for less than its lease", func(draw *rand.Rand) {
			p := c.holder(stage)
			p.signal(syscall.SIGSTOP)
			time.Sleep(time.Duration(200+draw.IntN(1000)) * time.Millisecond)
			p.signal(syscall.SIGCONT)
		})
	}
	add("the broker is killed", func(draw *rand.Rand) {
		kafka.Brokers[0].Kill()
		time.Sleep(time.Duration(draw.IntN(3000)) * time.Millisecond)
		if err := kafka.Brokers[0].Start(); err != nil {
			c.t.Fatal(err)
		}
		if err := kafka.Wait(60 * time.Second); err != nil {
			c.t.Fatal(err)
		}
	})
	cut := func(name string, how func(*link) func()) {
		add("deliver is cut off from Kafka, not from HubSpot: "+name, func(draw *rand.Rand) {
			p := c.holder("deliver")
			heal := how(c.links[p])
			c.takenOver(p)
			time.Sleep(time.Duration(draw.IntN(2000)) * time.Millisecond)
			heal()
		})
	}
	cut("connections end", (*link).sever)
	cut("connections fall silent", (*link).silence)
	for _, f := range []hubspottest.Fault{
		{Kind: hubspottest.Slow, Latency: hubspottest.Latency{Fixed: 3 * time.Second}},
		{Kind: hubspottest.SlowAnswer, Latency: hubspottest.Latency{Fixed: 3 * time.Second}},
		{Kind: hubspottest.AnswerLost, Probability: .5},
		{Kind: hubspottest.ConnectionReset, Probability: .5},
		{Kind: hubspottest.TooManyBurst, Probability: .5, RetryAfter: time.Second},
		{Kind: hubspottest.InternalError, Probability: .5},
		{Kind: hubspottest.BadGateway, Probability: .5, After: true},
	} {
		add("HubSpot: "+string(f.Kind), func(draw *rand.Rand) {
			id := c.sim.Inject(f)
			time.Sleep(time.Duration(1500+draw.IntN(2500)) * time.Millisecond)
			c.sim.Clear(id)
		})
	}
	add("HubSpot answers slower than the lease while deliver is killed", func(draw *rand.Rand) {
		id := c.sim.Inject(hubspottest.Fault{Kind: hubspottest.SlowAnswer, Latency: hubspottest.Latency{Fixed: 2500 * time.Millisecond}})
		time.Sleep(time.Duration(draw.IntN(2000)) * time.Millisecond)
		c.kill("deliver", false)
		c.sim.Clear(id)
	})
	return list
}

// flips are statements that turn values and rules there and back on few rows,
// so that every state is overtaken by the one before it.
type flips struct {
	r    *rand.Rand
	rich map[int64]bool
	sick map[int64]bool
	town map[int64]int
}

const hotPatients, hotResults = 6, 4

// newFlips puts the rows in place whose conditions flip.
func newFlips(r *road) *flips {
	for i := range hotPatients {
		r.exec(fmt.Sprintf("INSERT INTO omaggregation (PatNum, AggregationKeyID, FName, StatusOM) VALUES (%d, 'HOT-%d', 'Flip', 'Lead')", hot(i), i))
	}
	for i := range hotResults {
		r.exec(fmt.Sprintf("INSERT INTO lab_result (test_id, patient_id, test_name, test_date) VALUES (%d, %d, 'Potassium', %s)",
			hot(i), hot(i), generate.Quote(time.Now().In(zone).Format(time.DateTime))))
	}
	return &flips{rand.New(rand.NewPCG(seed(r.t), 3)), map[int64]bool{}, map[int64]bool{}, map[int64]int{}}
}

func hot(i int) int64 { return 1_000_000 + int64(i) }

// next is for one goroutine.
func (f *flips) next() string {
	id := hot(f.r.IntN(hotPatients))
	switch n := f.r.IntN(100); {
	case n < 60: // A, B, A
		f.town[id] = 1 - f.town[id]
		return fmt.Sprintf("UPDATE omaggregation SET City = '%s', LName = '%[1]s' WHERE PatNum = %d", []string{"Athens", "Berlin"}[f.town[id]], id)
	case n < 75: // the rule is true, false, true
		f.rich[id] = !f.rich[id]
		return fmt.Sprintf("UPDATE omaggregation SET BalTotal = %d WHERE PatNum = %d", map[bool]int{true: 900, false: 100}[f.rich[id]], id)
	case n < 80: // both ways in one transaction: nobody outside sees it, so no ticket
		took := ""
		if !f.rich[id] {
			took = fmt.Sprintf("DELETE FROM expected_tickets WHERE rule = 'high-balance' AND record = %d ORDER BY id DESC LIMIT 1; ", id)
		}
		f.rich[id] = false
		return fmt.Sprintf("START TRANSACTION; UPDATE omaggregation SET BalTotal = 700 WHERE PatNum = %d; "+
			"UPDATE omaggregation SET BalTotal = 20 WHERE PatNum = %[1]d; %[2]sCOMMIT", id, took)
	case n < 88:
		id = hot(f.r.IntN(hotResults))
		f.sick[id] = !f.sick[id]
		return fmt.Sprintf("UPDATE lab_result SET critical_flag = %d WHERE test_id = %d", map[bool]int{true: 1, false: 0}[f.sick[id]], id)
	}
	return fmt.Sprintf("UPDATE omaggregation SET StatusOM = '%s' WHERE PatNum = %d", []string{"Lead", "Current", "Former"}[f.r.IntN(3)], id)
}
