package mapping

import (
	"errors"

	"chartwire/cdc"
	"chartwire/sinks"
)

type plan struct{}
type rulePlan struct{}

var errUnfinished = errors.New("maps cannot be compiled yet")

// Compile compiles all files together. The error is a [Problems].
func Compile(files []File, env Env) (*Program, error) { return nil, errUnfinished }

// Selections returns the tables of a source that the maps read, with the
// columns they read.
func (p *Program) Selections(source string) []cdc.Selection { return nil }

// Sinks returns the names of the sinks that the maps write to.
func (p *Program) Sinks() []string { return nil }

// Reading returns the maps that read a table.
func (p *Program) Reading(source string, table cdc.TableID) []*Map {
	var maps []*Map
	for _, m := range p.Maps {
		if m.Source == source && m.Table == table {
			maps = append(maps, m)
		}
	}
	return maps
}

// Evaluator evaluates one map. It is for one goroutine at a time.
type Evaluator struct{}

// Evaluator makes an evaluator of the map.
func (m *Map) Evaluator() *Evaluator { return &Evaluator{} }

// Eval evaluates the map and its rules for one entity. The output is valid
// until the next call; its Mutation stays valid. An error says that a row is
// not what its table says, and holds no value of it.
func (e *Evaluator) Eval(in *Input) (*Output, error) { return nil, errUnfinished }

// Fire gives the mutations of the n-th firing of rule Verdicts[i].
func (o *Output) Fire(i int, n int64) []sinks.Mutation { return nil }
