package lanes

import "slices"

// Drop forgets everything of a flow that is not in the air, unfinished. It
// reports whether any of it was in doubt.
func (q *Queue) Drop(flow string) (doubt bool) {
	for key, rec := range q.records {
		rec.parts = slices.DeleteFunc(rec.parts, func(p *Part) bool {
			if p.Flow != flow {
				return false
			}
			doubt = doubt || !p.Doubt.IsZero()
			q.leave(p)
			q.complete(p, nil)
			return true
		})
		if len(rec.parts) == 0 && rec.air == nil {
			delete(q.records, key)
		}
	}
	return doubt
}

// Flies reports whether anything of the flow is in the air.
func (q *Queue) Flies(flow string) bool {
	for _, rec := range q.records {
		for _, p := range rec.air {
			if p.Flow == flow {
				return true
			}
		}
	}
	return false
}
