package hubspot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"chartwire/cdc"
	schema "chartwire/schemas/hubspot"
	"chartwire/sinks"
)

// account is what Open learnt: it is read by every Apply and replaced whole.
type account struct {
	zone    string
	objects map[string]*definitions
	owners  map[string]string // id by lower-cased e-mail
	read    time.Time
}

// Open is the start-up sequence: the right account, its limits and usage, its
// definitions, and the comparison with what the maps need. What a person must
// mend comes as one halt with everything in it.
func (s *Sink) Open(ctx context.Context) error {
	s.mu.Lock()
	s.halt = nil
	s.mu.Unlock()
	problems, err := s.learnAll(ctx)
	if err == nil && len(problems) > 0 {
		err = mismatch(problems)
	}
	return err
}

// learnAll reads the account. Its definitions are taken up only if they agree
// with the needs, but for a sink that is open already: there most writes go on.
func (s *Sink) learnAll(ctx context.Context) ([]Problem, error) {
	zone, err := s.checkAccount(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.readUsage(ctx); err != nil {
		return nil, err
	}
	needs := s.required()
	live, a, err := s.readAll(ctx, objectsOf(needs))
	if err == nil {
		err = s.learnLinks(ctx, needs, live)
	}
	if err != nil {
		return nil, err
	}
	problems := Compare(needs, live)
	s.metrics.mismatches.Set(float64(len(problems)))
	s.mu.Lock()
	s.problems = problems
	s.mu.Unlock()
	if a.zone = zone; len(problems) == 0 || s.account.Load() != nil {
		s.account.Store(a)
	}
	return problems, nil
}

// Run compares the account with what the maps need every Recheck, refreshes
// the usage of the day, and takes up new options, stages and owners, until ctx
// ends. What no longer agrees is logged and in the status, and stops nothing
// by itself: the first write that HubSpot refuses for it halts its flow.
func (s *Sink) Run(ctx context.Context) error {
	t := time.NewTicker(s.cfg.Recheck)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		problems, err := s.learnAll(ctx)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("comparing with HubSpot's definitions failed, next try in "+s.cfg.Recheck.String(), "err", err)
		}
		for _, p := range problems {
			s.cfg.Log.Error("HubSpot no longer offers what a map needs", "object", p.Object, "err", p)
		}
	}
}

func objectsOf(needs []Need) []string {
	var names []string
	for _, n := range needs {
		names = append(names, n.Object)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func mismatch(problems []Problem) error {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = "\n  " + p.String()
	}
	return cdc.Haltf("hubspot-schema-mismatch", "HubSpot would refuse what the maps write, %d problems:%s", len(problems), strings.Join(lines, ""))
}

// checkAccount halts in an account that is not the configured one: writing
// patients into a stranger's account is the worst that a wrong token can do.
func (s *Sink) checkAccount(ctx context.Context) (zone string, err error) {
	var details struct {
		PortalID    int64  `json:"portalId"`
		AccountType string `json:"accountType"`
		TimeZone    string `json:"timeZone"`
	}
	if err := s.get(ctx, "account", s.paths.details, nil, &details); err != nil {
		return "", fmt.Errorf("reading the HubSpot account: %w", err)
	}
	if details.PortalID != s.cfg.PortalID {
		return "", cdc.Haltf("hubspot-wrong-account", "the token is of HubSpot account %d (%s), configured is %d: correct portal_id or use that account's service key", details.PortalID, details.AccountType, s.cfg.PortalID)
	}
	loc, err := time.LoadLocation(details.TimeZone)
	if err != nil {
		// HubSpot's names are those of the time zone database but for a few
		// old ones; the day then ends by the usage report.
		s.cfg.Log.Warn("the account's time zone is unknown here: days are counted in UTC", "zone", details.TimeZone)
		loc = time.UTC
	}
	s.limiter.setZone(loc, time.Now())
	return details.TimeZone, nil
}

func (s *Sink) readUsage(ctx context.Context) error {
	var usage struct {
		Results []struct {
			UsageLimit   int       `json:"usageLimit"`
			CurrentUsage int       `json:"currentUsage"`
			ResetsAt     time.Time `json:"resetsAt"`
		} `json:"results"`
	}
	err := s.get(ctx, "usage", s.paths.usage, nil, &usage)
	var halt *cdc.Halt
	if errors.As(err, &halt) && halt.Code == "hubspot-object-missing" {
		return nil // not offered to every kind of token: headers tell the same
	}
	if err != nil {
		return fmt.Errorf("reading the usage of the HubSpot account: %w", err)
	}
	for _, r := range usage.Results {
		if r.UsageLimit > 0 {
			s.limiter.setUsage(r.UsageLimit, r.CurrentUsage, r.ResetsAt, time.Now())
		}
	}
	return nil
}

// ReadSchema reads an account's own definitions of the objects: what maps are
// compiled against, and provisioning compares with.
func (s *Sink) ReadSchema(ctx context.Context, objects ...string) (*schema.Schema, error) {
	live, _, err := s.readAll(ctx, objects)
	return live, err
}

func (s *Sink) readAll(ctx context.Context, objects []string) (*schema.Schema, *account, error) {
	live := &schema.Schema{}
	a := &account{objects: map[string]*definitions{}, read: time.Now()}
	owned := false
	for _, name := range objects {
		o, err := s.readObject(ctx, name)
		if err != nil {
			return nil, nil, fmt.Errorf("reading HubSpot's definition of %s: %w", name, err)
		}
		if o == nil {
			continue // Compare says that the object is not there
		}
		live.Objects = append(live.Objects, o)
		d := define(o)
		a.objects[name] = d
		owned = owned || o.Property(ownerProperty) != nil
	}
	slices.SortFunc(live.Objects, func(x, y *schema.Object) int { return strings.Compare(x.Name, y.Name) })
	if owned {
		var err error
		if a.owners, err = s.readOwners(ctx); err != nil {
			return nil, nil, fmt.Errorf("reading HubSpot's owners: %w", err)
		}
	}
	return live, a, nil
}

// ownerProperty assigns a record to a person, by owner id.
const ownerProperty = "hubspot_owner_id"

func (s *Sink) readOwners(ctx context.Context) (map[string]string, error) {
	owners := map[string]string{}
	query := url.Values{"limit": {"500"}}
	for {
		var page struct {
			Results []struct {
				ID    string `json:"id"`
				Email string `json:"email"`
			} `json:"results"`
			Paging struct {
				Next struct {
					After string `json:"after"`
				} `json:"next"`
			} `json:"paging"`
		}
		err := s.get(ctx, "owners", s.paths.owners, query, &page)
		var halt *cdc.Halt
		if errors.As(err, &halt) && halt.Code == "hubspot-scopes" {
			return owners, nil // perhaps no map needs them; they then are ids only
		}
		if err != nil {
			return nil, err
		}
		for _, o := range page.Results {
			owners[strings.ToLower(o.Email)] = o.ID
		}
		if page.Paging.Next.After == "" || len(page.Results) == 0 {
			return owners, nil
		}
		query.Set("after", page.Paging.Next.After)
	}
}

// errAbsent is a definition that the account does not have.
var errAbsent = errors.New("HubSpot does not have it")

// get reads one definition, or whatever is no record.
func (s *Sink) get(ctx context.Context, what, path string, query url.Values, into any) error {
	a, err := s.ask(ctx, &call{kind: kindAccount, object: what, method: http.MethodGet, path: path, query: query})
	if err != nil {
		return err
	}
	return a.decode(into)
}

// ask makes a call outside of Apply: with a timeout and a place in the limits
// of its own. An answer that is no success is an error.
func (s *Sink) ask(ctx context.Context, c *call) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout)
	defer cancel()
	c.lane = sinks.Realtime
	j := &job{s: s, ctx: ctx, lane: c.lane, object: c.object, unpaced: true}
	a, err := j.call(c)
	if err != nil {
		return nil, err
	}
	if !a.ok() {
		e := a.failure()
		return nil, fmt.Errorf("%w: %s", statusError(a), redact(e.refusals()[0].message, ""))
	}
	return a, nil
}

func (s *Sink) String() string { return "hubspot account " + strconv.FormatInt(s.cfg.PortalID, 10) }
