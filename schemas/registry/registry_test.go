package registry_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/servers"
	"chartwire/schemas"
	"chartwire/schemas/registry"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// memory is a log without a broker behind it.
func memory(records *[]registry.Record) func(context.Context, registry.Record) error {
	return func(_ context.Context, r registry.Record) error {
		*records = append(*records, r)
		return nil
	}
}

func client(t *testing.T, url string) *registry.Client {
	t.Helper()
	c, err := registry.New(registry.Options{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	integer = cdc.Type{Kind: cdc.KindInt, Bits: 32}
	text    = cdc.Type{Kind: cdc.KindText, Charset: "utf8mb4"}
)

// schema makes one of alternating names and types; the first column is the key.
func schema(t *testing.T, columns ...any) *schemas.RowSchema {
	t.Helper()
	table := &cdc.Table{Source: "om", Database: "agg", Name: "patients", Key: []int{0},
		Columns: []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.KindInt, Bits: 64}}}}
	for i := 0; i < len(columns); i += 2 {
		table.Columns = append(table.Columns, cdc.Column{Name: columns[i].(string), Type: columns[i+1].(cdc.Type)})
	}
	s, err := schemas.NewRowSchema(table)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEmbedded runs the client against our own server.
func TestEmbedded(t *testing.T) {
	var log []registry.Record
	s := httptest.NewServer(registry.NewServer(memory(&log)))
	defer s.Close()
	testRegistry(t, s.URL)
	// A server that is given the log answers as the first did.
	again := registry.NewServer(memory(&log))
	for _, r := range log {
		if err := again.Load(r); err != nil {
			t.Fatal(err)
		}
	}
	s2 := httptest.NewServer(again)
	defer s2.Close()
	for id := 1; id <= 3; id++ {
		a, err1 := client(t, s.URL).Schema(t.Context(), id)
		b, err2 := client(t, s2.URL).Schema(t.Context(), id)
		if err1 != nil || err2 != nil || a.Avro != b.Avro {
			t.Errorf("schema %d differs after loading: %v, %v", id, err1, err2)
		}
	}
}

// TestApicurio runs the client against somebody else's.
func TestApicurio(t *testing.T) { testRegistry(t, servers.Registry(t)) }

func testRegistry(t *testing.T, url string) {
	ctx := t.Context()
	c := client(t, url)
	one := schema(t, "name", text)
	id, err := c.Register(ctx, "cw.rows.om.agg.patients", one)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := client(t, url).Register(ctx, "cw.rows.om.agg.patients", schema(t, "name", text)); err != nil || again != id {
		t.Errorf("the same schema has id %d, then %d, %v", id, again, err)
	}
	got, err := c.Schema(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := c.Schema(ctx, id); err != nil || same != got {
		t.Errorf("another pointer for the same id, %v", err)
	}
	if d := registry.Differences(got, one); len(d) > 0 || got.Table.Key[0] != 0 || got.Table.ID() != one.Table.ID() {
		t.Errorf("read back otherwise: %v", d)
	}
	// What may follow: columns that come and go, and types that say the same
	// otherwise. Attributes alone make another schema.
	for _, next := range []*schemas.RowSchema{
		schema(t, "name", text, "25againmetrics", cdc.Type{Kind: cdc.KindDecimal, Precision: 10, Scale: 2}),
		schema(t, "name", cdc.Type{Kind: cdc.KindEnum, Charset: "latin1", Labels: []string{"a", "ä"}}, "t", cdc.Type{Kind: cdc.KindTime}),
		schema(t, "25againmetrics", cdc.Type{Kind: cdc.KindDecimal, Precision: 12, Scale: 2}),
	} {
		other, err := c.Register(ctx, "cw.rows.om.agg.patients", next)
		if err != nil || other == id {
			t.Errorf("registering %v: id %d, %v", next.Table.Columns, other, err)
		}
	}
	// What may not, even of the version before the last.
	for name, bad := range map[string]*schemas.RowSchema{
		"digits after the point": schema(t, "25againmetrics", cdc.Type{Kind: cdc.KindDecimal, Precision: 10, Scale: 4}),
		"was text and is int":    schema(t, "name", integer),
		"was time and is int":    schema(t, "t", cdc.Type{Kind: cdc.KindInt, Bits: 64}),
	} {
		_, err := c.Register(ctx, "cw.rows.om.agg.patients", bad)
		if cdc.HaltCode(err) != registry.HaltIncompatible || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Schema(ctx, 4711); err == nil {
		t.Error("an unknown id has a schema")
	}
}

func TestIncompatible(t *testing.T) {
	f := func(from, to cdc.Type, ok bool) {
		t.Helper()
		p := registry.Incompatible(schema(t, "c", from), schema(t, "c", to))
		if (len(p) == 0) != ok {
			t.Errorf("%+v to %+v: %v", from, to, p)
		}
	}
	bits := func(n int) cdc.Type { return cdc.Type{Kind: cdc.KindInt, Bits: n} }
	unsigned := func(n int) cdc.Type { return cdc.Type{Kind: cdc.KindInt, Bits: n, Unsigned: true} }
	f(bits(8), bits(64), true)
	f(bits(64), bits(32), false)
	f(bits(32), unsigned(32), false)
	f(unsigned(8), unsigned(32), true)
	f(unsigned(32), unsigned(64), false)
	f(unsigned(64), unsigned(64), true)
	f(cdc.Type{Kind: cdc.KindDate}, cdc.Type{Kind: cdc.KindDateTime}, false)
	f(cdc.Type{Kind: cdc.KindDateTime}, cdc.Type{Kind: cdc.KindDateTime, Scale: 6}, true)
	f(cdc.Type{Kind: cdc.KindDateTime}, cdc.Type{Kind: cdc.KindTimestamp}, false)
	f(cdc.Type{Kind: cdc.KindTime}, bits(64), false)
	f(cdc.Type{Kind: cdc.KindFloat}, cdc.Type{Kind: cdc.KindDouble}, true)
	f(cdc.Type{Kind: cdc.KindDouble}, cdc.Type{Kind: cdc.KindFloat}, false)
	f(cdc.Type{Kind: cdc.KindBit, Bits: 8}, cdc.Type{Kind: cdc.KindBit, Bits: 64}, false)
	f(cdc.Type{Kind: cdc.KindBit, Bits: 8}, cdc.Type{Kind: cdc.KindBit, Bits: 9}, true)
	f(text, cdc.Type{Kind: cdc.KindJSON}, true)
	f(text, cdc.Type{Kind: cdc.KindBytes}, false)
	a, b := schema(t, "c", text), schema(t, "c", text)
	b.Table.Key = []int{1}
	if p := registry.Incompatible(a, b); len(p) > 0 {
		t.Errorf("another primary key: %v", p)
	}
}

// TestFields lets a column's values have another name from a change of type on.
func TestFields(t *testing.T) {
	var log []registry.Record
	s := httptest.NewServer(registry.NewServer(memory(&log)))
	defer s.Close()
	c := client(t, s.URL)
	register := func(columns []any, fields map[string]string) (int, error) {
		table := *schema(t, columns...).Table
		for i := range table.Columns {
			table.Columns[i].Field = fields[table.Columns[i].Name]
		}
		named, err := schemas.NewRowSchema(&table)
		if err != nil {
			t.Fatal(err)
		}
		return c.Register(t.Context(), "topic", named)
	}
	one, err := register([]any{"amount", text}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = register([]any{"amount", integer}, nil)
	if h := cdc.Alone(err); h == nil || !slices.Equal(h.Columns, []string{"amount"}) || !strings.Contains(h.Text, "column amount was text and is int") ||
		!strings.Contains(h.Text, "chartwire schemas accept") {
		t.Errorf("another type: %v", err)
	}
	all, err := c.Versions(t.Context(), "topic")
	if err != nil {
		t.Fatal(err)
	}
	name := registry.FreeField(all, "amount")
	if name != "amount_v2" {
		t.Errorf("the free name is %s", name)
	}
	fields := map[string]string{"amount": name}
	two, err := register([]any{"amount", integer}, fields)
	if err != nil || two == one {
		t.Fatalf("another type under another name: %d, %v", two, err)
	}
	if got, err := client(t, s.URL).Schema(t.Context(), two); err != nil || got.Table.Columns[1].Field != name || got.Table.Columns[1].Name != "amount" {
		t.Errorf("read back as %+v, %v", got, err)
	}
	// The column as it was is what it was, and a column that comes to the name is
	// not taken for it.
	if again, err := register([]any{"amount", text}, fields); err != nil || again != one {
		t.Errorf("changed back: %d, %v", again, err)
	}
	if _, err := register([]any{"amount_v2", integer}, nil); cdc.Alone(err) == nil {
		t.Errorf("another column of the name: %v", err)
	}
	if all, _ = c.Versions(t.Context(), "topic"); registry.FreeField(all, "amount") != "amount_v3" {
		t.Errorf("the next free name is %s", registry.FreeField(all, "amount"))
	}
}

// TestAnswers checks what the client makes of answers that are no schemas.
func TestAnswers(t *testing.T) {
	var calls atomic.Int32
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1); status == http.StatusServiceUnavailable && calls.Load() > 2 {
			_, _ = w.Write([]byte(`{"schema": "{}"}`))
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"error_code": 1, "message": "no"}`))
	}))
	defer s.Close()
	f := func(code int, halt string, wantCalls int32) {
		t.Helper()
		status = code
		calls.Store(0)
		_, err := client(t, s.URL).Schema(t.Context(), 1)
		if err == nil || cdc.HaltCode(err) != halt || calls.Load() != wantCalls {
			t.Errorf("%d: %v after %d calls", code, err, calls.Load())
		}
	}
	f(http.StatusUnauthorized, registry.HaltDenied, 1)
	f(http.StatusForbidden, registry.HaltDenied, 1)
	f(http.StatusNotFound, "", 1)
	f(http.StatusServiceUnavailable, "", 3) // the third answers, with a schema that is not ours
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("told to stop"))
	if _, err := client(t, s.URL).Schema(ctx, 1); err == nil || !strings.Contains(err.Error(), "told to stop") {
		t.Errorf("cancelled: %v", err)
	}
}

// TestFromTopic keeps the schemas in a topic over a restart.
func TestFromTopic(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	var ids []int
	for range 2 {
		cl, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) == 0 {
			if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, "cw.schemas"); err != nil {
				t.Fatal(err)
			}
		}
		server, err := registry.FromTopic(t.Context(), cl, "cw.schemas")
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewServer(server)
		for _, columns := range [][]any{{"a", text}, {"a", text, "b", text}} {
			id, err := client(t, s.URL).Register(t.Context(), "topic", schema(t, columns...))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		s.Close()
		cl.Close()
	}
	if ids[0] != ids[2] || ids[1] != ids[3] || ids[0] == ids[1] {
		t.Errorf("ids before and after a restart: %v", ids)
	}
}

// TestTables finds the newest tables of one source of one installation.
func TestTables(t *testing.T) {
	var log []registry.Record
	hs := httptest.NewServer(registry.NewServer(memory(&log)))
	defer hs.Close()
	c, topics := client(t, hs.URL), schemas.Topics{Prefix: "a"}
	register := func(topics schemas.Topics, source string, s *schemas.RowSchema) {
		t.Helper()
		if _, err := c.Register(t.Context(), topics.Rows(source, s.Table.ID()), s); err != nil {
			t.Fatal(err)
		}
	}
	register(topics, "om", schema(t, "name", text))
	register(topics, "om", schema(t, "name", text, "age", integer))
	register(topics, "omx", schema(t))
	register(schemas.Topics{Prefix: "b"}, "om", schema(t))
	got, err := client(t, hs.URL).Tables(t.Context(), topics, "om")
	if err != nil || len(got) != 1 || len(got[0].Columns) != 3 || got[0].ID().Name != "patients" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := c.Tables(t.Context(), topics, "labs"); err != nil || len(got) != 0 {
		t.Errorf("an unknown source: %+v, %v", got, err)
	}
}

// TestKept lets a process start while the registry is away: it knows what one
// before it was told.
func TestKept(t *testing.T) {
	var log []registry.Record
	there := registry.NewServer(memory(&log))
	var away atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler)
		}
		there.ServeHTTP(w, r)
	}))
	defer s.Close()
	dir := t.TempDir()
	kept := func() *registry.Client {
		c := client(t, s.URL)
		if err := c.Keep(dir); err != nil {
			t.Fatal(err)
		}
		return c
	}
	one := schema(t, "name", text)
	c := kept()
	id, err := c.Register(t.Context(), "rows", one)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Schema(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	away.Store(true)
	c = kept()
	if again, err := c.Register(t.Context(), "rows", one); err != nil || again != id {
		t.Errorf("it has the id %d, not %d: %v", again, id, err)
	}
	if got, err := c.Schema(t.Context(), id); err != nil || got.Avro != one.Avro {
		t.Errorf("the schema reads otherwise: %v", err)
	}
	if _, err := c.Register(t.Context(), "others", one); err == nil {
		t.Error("under another subject it has an id that nobody gave")
	}
	if _, err := c.Schema(t.Context(), id+1); err == nil {
		t.Error("a schema that nobody saw is there")
	}
	away.Store(false)
	if _, err := c.Register(t.Context(), "others", one); err != nil {
		t.Error(err)
	}
}
