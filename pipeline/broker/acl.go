package broker

import (
	"strings"

	"chartwire/schemas"
)

// ACL is a permission that an installation needs: operations on everything of a
// kind whose name begins with Prefix.
type ACL struct {
	Resource   string // "topic" or "transactional-id", as Kafka's own tool says it
	Prefix     string
	Operations []string // Describe comes with any of them
}

// ACLs gives the least permissions with which an installation runs. Nothing is
// asked of the cluster itself, and no consumer groups are used.
func ACLs(t schemas.Topics, c Config) []ACL {
	prefix := t.Prefix + "."
	topics := []string{"Create", "Read", "Write"}
	if c.larger() {
		topics = append(topics, "AlterConfigs") // topics that exist are to take larger records
	}
	return []ACL{
		{"topic", prefix, topics},
		{"transactional-id", prefix, []string{"Write"}},
	}
}

// Command gives the line for Kafka's kafka-acls.sh that grants the permission.
func (a ACL) Command(principal string) string {
	var b strings.Builder
	b.WriteString("--add --allow-principal " + principal)
	for _, op := range a.Operations {
		b.WriteString(" --operation " + op)
	}
	b.WriteString(" --" + a.Resource + " " + a.Prefix + " --resource-pattern-type prefixed")
	return b.String()
}
