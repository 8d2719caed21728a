package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chartwire/integration/clinic"
)

// TestUsage: a command line that is wrong ends with 2, and the answer names the
// command that was meant as it is typed.
func TestUsage(t *testing.T) {
	file := embeddedSite(t)
	f := func(line string, code int, says ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		if got := Main(append([]string{"--config", file}, strings.Fields(line)...), &out, &errs); got != code {
			t.Errorf("%s: code %d, want %d\n%s%s", line, got, code, out.String(), errs.String())
		}
		for _, want := range says {
			if all := out.String() + errs.String(); !strings.Contains(all, want) {
				t.Errorf("%s: lacks %q:\n%s", line, want, all)
			}
		}
	}
	f("puase", 2, "there is no chartwire puase", "Try: chartwire --help")
	f("snapshot puase om", 2, "there is no chartwire snapshot puase; perhaps pause", "Try: chartwire snapshot --help")
	f("snapshot", 0, "resume")
	f("dlq nosuch", 2, "there is no chartwire dlq nosuch")
	f("snapshot start", 2, "chartwire snapshot start SOURCE [DB.TABLE]", "Try: chartwire snapshot start --help")
	f("snapshot start om --where id=5", 2, "--where is about one table")
	f("snapshot stop om --force", 2, "unknown flag: --force", "Try: chartwire snapshot stop --help")
	f("tables add om", 2, "Try: chartwire tables add --help")
	f("tables add om patient", 2, "name the columns")
	f("columns add om patient", 2, "chartwire columns add SOURCE DB.TABLE COLUMN…")
	f("rewind om", 2, "--to", "Try: chartwire rewind --help")
	f("rewind om --to yesterday", 2, `"yesterday" is no time`)
	f("skip om", 2, "--reason")
	f("run om", 2, `unknown command "om" for "chartwire run"`, "Try: chartwire run --help")
	f("dlq list --sink nosuch", 2, `the configuration has no sink "nosuch"; there are [hubspot notify]`)
	f("dlq list --flow nosuch", 2, `the configuration has no flow "nosuch"`)
	f("capture nosuch", 2, `the configuration has no "nosuch"`, "Try: chartwire capture --help")
	for _, verb := range []string{"rewind nosuch --to 0-1-1", "skip nosuch --reason x", "reload nosuch", "snapshot pause nosuch", "snapshot status nosuch", "schemas list nosuch"} {
		f(verb, 2, `the configuration has no source "nosuch"; there are [labs om]`)
	}
	// What nobody captured yet.
	f("snapshot status om", 0, "om: nothing was captured yet")
	f("snapshot status om patient", 2, "no table clinic.patient of om was captured")
	f("schemas show om patient", 2, "no table clinic.patient of om was captured")
	f("rewind om --to 0-1-1", 1, "nothing of om was ever captured")
	f("skip om --reason x", 1, "skip-nothing")
	f("reload om", 1, "reload-nothing")
	f("reload om --yes", 1, "reload-nothing")
}

// embeddedSite writes the configuration of an installation that is embedded and
// reaches nobody.
func embeddedSite(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"OM_PASSWORD", "HUBSPOT_TOKEN", "NOTIFY_KEY", "SITE_KEY"} {
		t.Setenv(name, "a secret of the tests")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "chartwire.yaml")
	text := clinic.Config{Installation: "crm", Data: filepath.Join(dir, "data"), Kafka: "embedded", Registry: "embedded",
		Address: "127.0.0.1:1", HubSpot: "http://127.0.0.1:1", Pages: "http://127.0.0.1:1"}.String()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
