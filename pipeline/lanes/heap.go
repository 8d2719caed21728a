package lanes

// parts is a heap of parts; before is its order.
type parts struct {
	all    []*Part
	before func(a, b *Part) bool
}

func (h *parts) Len() int           { return len(h.all) }
func (h *parts) Less(i, j int) bool { return h.before(h.all[i], h.all[j]) }
func (h *parts) Swap(i, j int) {
	h.all[i], h.all[j] = h.all[j], h.all[i]
	h.all[i].index, h.all[j].index = i, j
}

func (h *parts) Push(x any) {
	p := x.(*Part)
	p.index = len(h.all)
	h.all = append(h.all, p)
}

func (h *parts) Pop() any {
	n := len(h.all) - 1
	p := h.all[n]
	h.all[n] = nil
	h.all = h.all[:n]
	return p
}
