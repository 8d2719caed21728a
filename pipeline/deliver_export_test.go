package pipeline

import "time"

// SetAhead replaces how far past what it has read a Deliver may try mutations.
func (d *Deliver) SetAhead(n int64) { d.ahead = n }

// SetFirstAsk replaces how soon after a halt the sink is asked again.
func (d *Deliver) SetFirstAsk(wait time.Duration) { d.firstAsk = wait }
