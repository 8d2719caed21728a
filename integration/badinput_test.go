package integration_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chartwire/integration/faults"
	"chartwire/integration/servers"
)

// TestCheckNamesEverything: a server that is wrong in every way is told about at
// once, with the statement that mends each; after those statements it is right.
func TestCheckNamesEverything(t *testing.T) {
	for _, c := range []struct {
		flavor servers.Flavor
		args   []string
	}{
		{servers.MariaDB1011, []string{"--binlog-format=MIXED", "--binlog-row-metadata=MINIMAL", "--binlog-row-image=MINIMAL", "--expire-logs-days=1"}},
		{servers.MySQLNew, []string{"--binlog-format=MIXED", "--binlog-row-metadata=MINIMAL", "--binlog-row-image=MINIMAL", "--binlog-expire-logs-seconds=86400"}},
	} {
		t.Run(c.flavor.Name, func(t *testing.T) {
			r := newRoad(t, site{flavor: c.flavor, args: c.args, patients: 1})
			monitor := "replication client"
			if c.flavor.Name == "mariadb" {
				monitor = "binlog monitor"
			}
			r.exec("revoke replication slave, " + monitor + " on *.* from chartwire@'%'")
			out, code := r.chartwire("check", "--create-properties")
			if code != 1 {
				t.Fatalf("exit code %d\n%s", code, out)
			}
			for _, want := range []string{"binlog-format", "row-metadata", "row-image", "binlog-retention", "grant-missing"} {
				if !strings.Contains(out, "WRONG "+want+": ") {
					t.Errorf("%s is not told\n%s", want, out)
				}
			}
			var fixes []string
			for _, line := range strings.Split(out, "\n") {
				if line = strings.TrimSpace(line); strings.HasPrefix(line, "SET ") || strings.HasPrefix(line, "GRANT ") {
					fixes = append(fixes, line)
					if err := r.db.Exec(line); err != nil {
						t.Errorf("the fix %q does not work: %v", line, err)
					}
				}
			}
			if len(fixes) < 5 {
				t.Errorf("fixes: %q", fixes)
			}
			if out, code := r.chartwire("check"); code != 0 {
				t.Errorf("after %q: exit code %d\n%s", fixes, code, out)
			}
		})
	}
}

// tenMistakes is a map with a mistake in every way of being wrong.
const tenMistakes = `map: labs/bad
source: labs
entity: { root: lab_result, where: critical_flg != 0 }
phi: [test_result]
record: hubspot.contacts
key: { open_medical_patient_id: text(patient_id) }
class: 7m
on_delete: forget
properties:
  firstname: { from: test_result }
  city: { from: nonsense(test_name) }
  account_balance: { from: test_name }
  favourite_colour: { is: Blue }
  lastname: { from: trim(test_id) }
  state: { from: test_name, wirte: once }
  lifecyclestage: { is: Astronaut }
  zip: { from: "upper(test_name" }
`

// TestTenMistakes: all of them at once, each with its place, what is wrong and
// what would be right.
func TestTenMistakes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary: not under -short")
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "labs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "labs", "bad.yaml"), []byte(tenMistakes), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &road{t: t, dir: dir}
	out, code := r.chartwire("maps", "test", "--maps", dir, "labs/bad")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []struct {
		line  int
		words string
	}{
		{3, "critical_flg"}, {6, "key"}, {7, "7m"}, {8, "on_delete"}, {10, "test_result"}, {11, "nonsense"},
		{12, "account_balance"}, {13, "favourite_colour"}, {14, "trim"}, {15, "wirte"}, {16, "Astronaut"}, {17, ")"},
	} {
		told := regexp.MustCompile(fmt.Sprintf(`(?m)^labs/bad\.yaml:%d:\d+: .*%s`, want.line, regexp.QuoteMeta(want.words)))
		if !told.MatchString(out) {
			t.Errorf("line %d: nothing about %q", want.line, want.words)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	// What would be right is said, not only what is wrong.
	for _, hint := range []string{"critical_flag", "write", "5m", "archive"} {
		if !strings.Contains(out, hint) {
			t.Errorf("%q is not offered:\n%s", hint, out)
		}
	}
}

// TestConfigurationMistakes: the same for the configuration, by any command.
func TestConfigurationMistakes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary: not under -short")
	}
	r := &road{t: t, dir: t.TempDir()}
	r.configure(`installation: Clinic A
kafka: {brokers: [kafka], replay: 3}
registry: nowhere
sources:
  om-a: {kind: om-aggregation, address: "db:3306", database: a, user: u, password: "${NO_SUCH_SECRET}", zone: America/Nowhere}
  om-b: {kind: om-aggregation, address: "db:3306", database: b, user: u, password: plain, zone: America/New_York}
sinks:
  hubspot: {token: "${NO_SUCH_TOKEN}", portal: 1, share: 2}
  notfy: {}
flows:
  patients: {maps: []}
log: {level: loud}
`)
	for _, command := range []string{"run", "check", "capture", "map", "deliver"} {
		out, code := r.chartwire(command)
		if code != 1 {
			t.Errorf("%s: exit code %d", command, code)
		}
		for _, want := range []struct {
			line  int
			words string
		}{
			{1, "installation"}, {2, "host:port"}, {2, "unit"}, {3, "registry"}, {5, "NO_SUCH_SECRET"}, {5, "zone"}, {5, "key_prefix: true"},
			{6, "password"}, {6, "key_prefix: true"}, {8, "NO_SUCH_TOKEN"}, {8, "share"}, {9, "unknown key"}, {11, "maps"}, {12, "level"},
		} {
			told := regexp.MustCompile(fmt.Sprintf(`(?m)chartwire\.yaml:%d: .*%s`, want.line, regexp.QuoteMeta(want.words)))
			if !told.MatchString(out) {
				t.Errorf("%s: line %d: nothing about %q\n%s", command, want.line, want.words, out)
			}
		}
	}
}

// TestSecondInstallation: a second capture with the same configuration stands
// by; one with another, such as a test system that was given the name of the
// production system, is refused and says who is there, and the first goes on.
func TestSecondInstallation(t *testing.T) {
	faults.Shows(t, "lease-refused", "is refused with the name of who is there, and the first goes on")
	r := newRoad(t, site{patients: 20})
	r.provision()
	first := r.start("first", []string{"run"})
	r.until(60*time.Second, "the first holds everything", func() bool { return first.holds() == 3*held })
	second := r.start("second", []string{"run"})
	r.until(60*time.Second, "the second stands by", func() bool {
		return len(second.status()) == 3*held && strings.Count(second.log(), `"msg":"standing by"`) >= 3*held
	})
	if n := second.holds(); n != 0 {
		t.Errorf("the second holds %d", n)
	}
	if strings.Contains(second.get("/readyz"), "old") {
		t.Errorf("a standby is not ready:\n%s", second.get("/readyz"))
	}
	text, err := os.ReadFile(filepath.Join(r.dir, configName))
	if err != nil {
		t.Fatal(err)
	}
	r.configure(string(text) + "# the test system\n")
	for _, stage := range stages {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		out, code := r.chartwireEnv(ctx, nil, stage, "--http", "127.0.0.1:0")
		cancel()
		if code != 1 || !strings.Contains(out, "lease-refused") || !strings.Contains(out, `under the prefix "`+r.name+`"`) {
			t.Errorf("%s with another configuration: exit code %d\n%s", stage, code, out)
		}
	}
	if first.holds() != 3*held {
		t.Error("the first lost something to a refused process")
	}
	r.critical()
	r.exec(r.gen.Change())
	r.equal(60 * time.Second)
}
