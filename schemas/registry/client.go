package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"chartwire/cdc"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/sr"
)

// The codes of what a person must decide.
const (
	HaltIncompatible = "schema-incompatible"
	HaltForeign      = "registry-foreign-schema"
	HaltRefused      = "registry-refused"
	HaltDenied       = "registry-denied"
)

// Options says where the registry is.
type Options struct {
	URLs           []string
	User, Password string
	TLS            *tls.Config
}

// Client registers and finds the schemas of row topics. It remembers what it
// saw and is safe for concurrent use.
type Client struct {
	sr *sr.Client

	dir string // "" or see [Client.Keep]

	mu     sync.Mutex
	ids    map[registration]int
	parsed map[int]*schemas.RowSchema
	away   time.Time // until when what is kept is taken without asking
}

type registration struct{ subject, avro string }

// callTimeout bounds one call; a call is tried again, tries times at most.
const (
	callTimeout = 5 * time.Second
	tries       = 5
)

// New makes a client. It makes no call.
func New(o Options) (*Client, error) {
	if len(o.URLs) == 0 {
		return nil, errors.New("schema registry: no URL")
	}
	opts := []sr.ClientOpt{sr.URLs(o.URLs...), sr.UserAgent("chartwire"), sr.HTTPClient(&http.Client{Timeout: callTimeout})}
	if o.User != "" {
		opts = append(opts, sr.BasicAuth(o.User, o.Password))
	}
	if o.TLS != nil {
		opts = append(opts, sr.DialTLSConfig(o.TLS))
	}
	c, err := sr.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("schema registry: %w", err)
	}
	return &Client{sr: c, ids: map[registration]int{}, parsed: map[int]*schemas.RowSchema{}}, nil
}

// Subject is where the schemas of a topic's values are.
func Subject(topic string) string { return topic + "-value" }

// Register gives the id of the schema under the topic's subject, registering
// it if it is new there. A schema that readers of the older ones would
// misread is a [*cdc.Halt], whatever level the registry is set to.
func (c *Client) Register(ctx context.Context, topic string, s *schemas.RowSchema) (id int, err error) {
	key := registration{Subject(topic), s.Avro}
	c.mu.Lock()
	id, ok := c.ids[key]
	c.mu.Unlock()
	if ok {
		return id, nil
	}
	text, ok := c.kept(c.idFile(key), nil)
	if !ok {
		if id, err = c.register(ctx, key.subject, s); err == nil {
			text = strconv.Itoa(id)
			c.keep(c.idFile(key), text)
		} else if text, ok = c.kept(c.idFile(key), err); !ok {
			return 0, err
		}
	}
	if id, err = strconv.Atoi(text); err != nil {
		return 0, fmt.Errorf("the id that %s keeps of a schema: %w", c.dir, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[key] = id
	return id, nil
}

func (c *Client) register(ctx context.Context, subject string, s *schemas.RowSchema) (int, error) {
	older, err := c.versions(ctx, subject)
	if err != nil {
		return 0, err
	}
	parsed := make([]*schemas.RowSchema, len(older))
	for i, v := range older {
		if parsed[i], err = schemas.ParseEnvelope(v.Schema.Schema); err != nil {
			return 0, foreign(subject, v.ID, err)
		}
		if parsed[i].Avro == s.Avro {
			return v.ID, nil
		}
	}
	// Rows as they were once, read again or changed back, are what they were.
	for i := len(parsed) - 1; i >= 0; i-- {
		if sameShape(parsed[i].Table, s.Table) {
			return older[i].ID, nil
		}
	}
	for i, v := range older {
		if problems := Incompatible(parsed[i], s); len(problems) > 0 {
			return 0, incompatible(s.Table, problems, fmt.Sprintf("version %d of %s", v.Version, subject))
		}
	}
	if len(older) == 0 {
		// Our own check above holds where a registry does not let us say this.
		set := func() error {
			return c.sr.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatBackwardTransitive}, subject)[0].Err
		}
		if err := c.try(ctx, "setting the mode of "+subject, set); err != nil && !answered(err) {
			return 0, err
		}
	}
	var got sr.SubjectSchema
	err = c.try(ctx, "registering a schema of "+subject, func() (err error) {
		got, err = c.sr.CreateSchema(ctx, subject, sr.Schema{Schema: s.Avro, Type: sr.TypeAvro})
		return err
	})
	switch status(err) {
	case 0:
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return 0, &cdc.Halt{Code: HaltRefused, Alone: true, Text: "the schema registry refuses the schema of " + s.Table.ID().String() + " under " + subject + "; compare its level and its versions there", Err: err}
	default:
		return 0, err
	}
	if err != nil {
		return 0, err
	}
	// A registry that takes schemas for equal which differ in attributes only
	// would make readers take a column for what it was before.
	stored, err := c.text(ctx, got.ID)
	if err != nil {
		return 0, err
	}
	if stored != s.Avro {
		if again, err := schemas.ParseEnvelope(stored); err != nil || len(Differences(again, s)) > 0 {
			return 0, foreign(subject, got.ID, errors.New("the registry gave the id of another schema for this one"))
		}
	}
	return got.ID, nil
}

func incompatible(t *cdc.Table, problems []Problem, version string) *cdc.Halt {
	h := &cdc.Halt{Code: HaltIncompatible, Alone: true}
	var texts []string
	for _, p := range problems {
		h.Columns = append(h.Columns, p.Column)
		texts = append(texts, p.String())
	}
	h.Text = fmt.Sprintf("%s changed so that older rows in its topic would be misread (%s): %s; undo that at the source, or take it as it is by: chartwire schemas accept %s %s",
		t.ID(), version, strings.Join(texts, "; "), t.Source, t.ID())
	return h
}

// Versions are the schemas of a topic's values, oldest first.
func (c *Client) Versions(ctx context.Context, topic string) ([]*schemas.RowSchema, error) {
	all, err := c.versions(ctx, Subject(topic))
	if err != nil {
		return nil, err
	}
	out := make([]*schemas.RowSchema, len(all))
	for i, v := range all {
		if out[i], err = schemas.ParseEnvelope(v.Schema.Schema); err != nil {
			return nil, foreign(Subject(topic), v.ID, err)
		}
	}
	return out, nil
}

func foreign(subject string, id int, err error) error {
	return &cdc.Halt{Code: HaltForeign, Text: fmt.Sprintf("schema %d of %s was not written by Chartwire; use another topic prefix or registry, or remove that subject", id, subject), Err: err}
}

// versions are the schemas of a subject, oldest first; none if it is new.
func (c *Client) versions(ctx context.Context, subject string) (all []sr.SubjectSchema, err error) {
	err = c.try(ctx, "reading the schemas of "+subject, func() (err error) {
		all, err = c.sr.Schemas(ctx, subject)
		if status(err) == http.StatusNotFound {
			all, err = nil, nil
		}
		return err
	})
	slices.SortFunc(all, func(a, b sr.SubjectSchema) int { return a.Version - b.Version })
	return all, err
}

// Ping says whether the registry answers, and lets us read.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.subjects(ctx)
	return err
}

func (c *Client) subjects(ctx context.Context) (list []string, err error) {
	err = c.try(ctx, "listing the subjects", func() (err error) {
		list, err = c.sr.Subjects(ctx)
		return err
	})
	return list, err
}

// Tables are the tables of a source as their newest schemas describe them: the
// columns that are captured, of every table that ever was.
func (c *Client) Tables(ctx context.Context, topics schemas.Topics, source string) ([]*cdc.Table, error) {
	subjects, err := c.subjects(ctx)
	if err != nil {
		return nil, err
	}
	var tables []*cdc.Table
	for _, subject := range subjects {
		topic, ok := strings.CutSuffix(subject, Subject(""))
		if of, _, rows := topics.ParseRows(topic); !ok || !rows || of != source {
			continue
		}
		all, err := c.Versions(ctx, topic)
		if err != nil {
			return nil, err
		}
		if len(all) > 0 {
			tables = append(tables, all[len(all)-1].Table)
		}
	}
	return tables, nil
}

// Schema gives the schema with the id; the same pointer each time.
func (c *Client) Schema(ctx context.Context, id int) (*schemas.RowSchema, error) {
	c.mu.Lock()
	s := c.parsed[id]
	c.mu.Unlock()
	if s != nil {
		return s, nil
	}
	text, ok := c.kept(c.schemaFile(id), nil)
	if !ok {
		var err error
		if text, err = c.text(ctx, id); err == nil {
			c.keep(c.schemaFile(id), text)
		} else if text, ok = c.kept(c.schemaFile(id), err); !ok {
			return nil, err
		}
	}
	s, err := schemas.ParseEnvelope(text)
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.parsed[id]; first != nil {
		return first, nil
	}
	c.parsed[id] = s
	return s, nil
}

func (c *Client) text(ctx context.Context, id int) (text string, err error) {
	err = c.try(ctx, fmt.Sprintf("reading schema %d", id), func() error {
		s, err := c.sr.SchemaByID(ctx, id)
		text = s.Schema
		return err
	})
	return text, err
}

// try makes a call until it has an answer that another try would not change.
func (c *Client) try(ctx context.Context, what string, call func() error) error {
	wait := 100 * time.Millisecond
	for n := 1; ; n++ {
		err := call()
		switch s := status(err); {
		case err == nil:
			return nil
		case s == http.StatusUnauthorized || s == http.StatusForbidden:
			return &cdc.Halt{Code: HaltDenied, Text: "the schema registry refuses our credentials at " + what + "; correct registry.user and registry.password", Err: err}
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		case s != 0 && s != http.StatusTooManyRequests && s < 500, n == tries:
			return fmt.Errorf("%s: %w", what, err)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
		case <-t.C:
		}
		wait *= 2
	}
}

// status is the HTTP status of an error that the registry answered with, or 0.
func status(err error) int {
	var r *sr.ResponseError
	if errors.As(err, &r) {
		return r.StatusCode
	}
	return 0
}

func answered(err error) bool { return status(err) != 0 }
