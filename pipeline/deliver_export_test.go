package pipeline

// SetAhead replaces how far past what it has read a Deliver may try mutations.
func (d *Deliver) SetAhead(n int64) { d.ahead = n }
