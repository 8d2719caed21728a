package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func localhost(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// stages are what a crew runs, each in processes of its own.
var stages = []string{"capture", "map", "deliver"}

// crew is the processes of a road: of each stage a holder and a standby.
type crew struct {
	*road
	procs map[string][]*process
	links map[*process]*link // to Kafka, of those that have one
}

// newCrew starts the processes. Those of deliver reach Kafka over the links.
func newCrew(r *road, toKafka []*link) *crew {
	r.t.Helper()
	c := &crew{road: r, procs: map[string][]*process{}, links: map[*process]*link{}}
	for _, stage := range stages {
		for i := range 2 {
			var env []string
			if stage == "deliver" && i < len(toKafka) {
				env = append(env, "KAFKA="+toKafka[i].addr())
			}
			p := r.start(fmt.Sprintf("%s-%d", stage, i+1), []string{stage}, env...)
			c.procs[stage] = append(c.procs[stage], p)
			if env != nil {
				c.links[p] = toKafka[i]
			}
		}
	}
	return c
}

// held is how many leases the processes of a stage hold: a source's, a flow's
// or a sink's each.
const held = 2

// holder gives the process that holds the leases of a stage, or more of them
// than the other, once all are held. One that was cut off may think for a while
// that it still does.
func (c *crew) holder(stage string) *process {
	c.t.Helper()
	var best *process
	c.until(60*time.Second, "the leases of "+stage+" are held", func() bool {
		most, all := 0, 0
		for _, p := range c.procs[stage] {
			n := p.holds()
			if all += n; n > most {
				best, most = p, n
			}
		}
		return all == held
	})
	return best
}

func (c *crew) standby(p *process) *process {
	for _, pair := range c.procs {
		for i := range pair {
			if pair[i] == p {
				return pair[1-i]
			}
		}
	}
	return nil
}

// takenOver waits until the standby of p holds everything.
func (c *crew) takenOver(p *process) {
	c.t.Helper()
	other := c.standby(p)
	began := time.Now()
	c.until(60*time.Second, other.name+" takes over", func() bool { return other.holds() == held })
	c.t.Logf("    %s took over after %s", other.name, time.Since(began).Round(10*time.Millisecond))
}

// kill kills the holder of a stage, waits for its standby, and starts it again,
// to stand by; with forget its local state is gone.
func (c *crew) kill(stage string, forget bool) {
	p := c.holder(stage)
	p.kill()
	c.takenOver(p)
	if forget {
		if err := os.RemoveAll(filepath.Join(p.dir, "data")); err != nil {
			c.t.Error(err)
		}
	}
	p.launch()
}
