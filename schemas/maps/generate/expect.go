package generate

import (
	"database/sql"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Contacts says what the contacts should hold, from what the table holds now:
// by patient number, by property, as HubSpot stores it. It is written from the
// requirements with SQL, not with the code that maps, so that the two can be
// held against each other. A property that is not in it is not to be looked
// at; an empty text means that the property has no value.
//
// What depends on history (a value kept after its column became null, a value
// written once) is left out.
func Contacts(db *sql.DB, zone *time.Location) (map[string]map[string]string, error) {
	const query = `SELECT CAST(PatNum AS CHAR), TRIM(AggregationKeyID), TRIM(FName), TRIM(LName), LOWER(TRIM(Email)),
 TRIM(HmPhone), TRIM(WirelessPhone), TRIM(WkPhone), TRIM(Address), TRIM(Address2), TRIM(City), UPPER(TRIM(State)), TRIM(Zip),
 IF(Birthdate < '1000-01-01', '', CAST(Birthdate AS CHAR)), Gender, COALESCE(StatusOM, ''), COALESCE(SubStatusOM, ''), COALESCE(PatStatus, ''),
 CASE CRMtoOMSync WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE '' END, IF(DateFirstVisit < '1000-01-01', '', CAST(DateFirstVisit AS CHAR)),
 COALESCE(CAST(LCAppointment AS CHAR), ''), IF(CRMUserDeleted <> 0, 'true', 'false'),
 CAST(ROUND(BalTotal, 2) AS CHAR), CAST(ROUND(EstBalance, 2) AS CHAR), CAST(ROUND(Bal_0_30, 2) AS CHAR), CAST(ROUND(Bal_31_60, 2) AS CHAR),
 CAST(ROUND(Bal_61_90, 2) AS CHAR), CAST(ROUND(BalOver90, 2) AS CHAR), CAST(ROUND(PayPlanDue, 2) AS CHAR), COALESCE(FeeSched, '')
 FROM omaggregation`
	names := []string{"open_medical_patient_id", "aggregation_key_id", "firstname", "lastname", "patient_email",
		"phone", "mobilephone", "work_phone", "address", "address_2", "city", "state", "zip",
		"patient_birth_date", "patient_gender", "patient_status_om", "sub_status_om", "patient_status_od",
		"crm_to_om_sync", "first_visit_date", "last_appointment_date", "crm_user_deleted",
		"account_balance", "estimated_balance", "balance_0_30", "balance_31_60", "balance_61_90", "balance_over_90", "payment_plan_due", "fee_schedule"}
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]map[string]string{}
	for rows.Next() {
		values := make([]string, len(names))
		into := make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		want := map[string]string{"patient_record_active": "true"}
		for i, name := range names {
			want[name] = values[i]
			switch {
			case strings.HasSuffix(name, "phone"):
				want[name] = e164(values[i])
			case strings.Contains(name, "balance") || name == "payment_plan_due":
				want[name] = plainNumber(values[i])
			}
		}
		if at := want["last_appointment_date"]; at != "" {
			local, err := time.ParseInLocation(time.DateTime, strings.SplitN(at, ".", 2)[0], zone)
			if err != nil {
				return nil, err
			}
			want["last_appointment_date"] = local.UTC().Format(time.RFC3339)
		}
		want["lifecyclestage"] = map[string]string{"Lead": "lead", "Prospect": "marketingqualifiedlead", "Opportunity": "salesqualifiedlead",
			"Current": "customer", "Former": "customer", "Promotional": "other"}[want["patient_status_om"]]
		out[want["open_medical_patient_id"]] = want
	}
	return out, rows.Err()
}

// e164 is a number of ten digits as one of the United States.
func e164(s string) string {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
	if len(digits) == 10 {
		return "+1" + digits
	}
	return s
}

// plainNumber writes a number without zeros that say nothing.
func plainNumber(s string) string {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return s
	}
	text := r.FloatString(2)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// Differences compares what should be with what is: by key, by property. It
// names properties and keys, never values, and at most so many.
func Differences(want, got map[string]map[string]string, most int) []string {
	var out []string
	note := func(format string, args ...any) {
		if len(out) < most {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	for _, key := range sortedKeys(want) {
		have, ok := got[key]
		if !ok {
			note("%s is missing", key)
			continue
		}
		for _, name := range sortedKeys(want[key]) {
			if have[name] != want[key][name] {
				note("%s: %s is not what its row says (%d characters, should be %d)", key, name, len(have[name]), len(want[key][name]))
			}
		}
	}
	for _, key := range sortedKeys(got) {
		if _, ok := want[key]; !ok && got[key]["patient_record_active"] != "false" {
			note("%s has no row and is not marked as gone", key)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Watch are statements that make the database itself count what must become
// a ticket: every time a balance rose over 500, and every critical result, from
// now on. Chartwire does not read the table they fill.
const Watch = `CREATE TABLE expected_tickets (id bigint AUTO_INCREMENT PRIMARY KEY, rule varchar(40) NOT NULL, record bigint NOT NULL);
CREATE TRIGGER balance_new AFTER INSERT ON omaggregation FOR EACH ROW
  INSERT INTO expected_tickets (rule, record) SELECT 'high-balance', NEW.PatNum FROM DUAL WHERE ROUND(NEW.BalTotal, 2) > 500;
CREATE TRIGGER balance_rose AFTER UPDATE ON omaggregation FOR EACH ROW
  INSERT INTO expected_tickets (rule, record) SELECT 'high-balance', NEW.PatNum FROM DUAL WHERE ROUND(NEW.BalTotal, 2) > 500 AND NOT ROUND(OLD.BalTotal, 2) > 500;
CREATE TRIGGER critical_new AFTER INSERT ON lab_result FOR EACH ROW
  INSERT INTO expected_tickets (rule, record) SELECT 'critical-result', NEW.test_id FROM DUAL WHERE NEW.critical_flag <> 0;
CREATE TRIGGER critical_now AFTER UPDATE ON lab_result FOR EACH ROW
  INSERT INTO expected_tickets (rule, record) SELECT 'critical-result', NEW.test_id FROM DUAL WHERE NEW.critical_flag <> 0 AND NOT OLD.critical_flag <> 0`

// Tickets gives the keys of the tickets that the database counted since Watch:
// rule, record, and the how-manieth time.
func Tickets(db *sql.DB) (map[string]bool, error) {
	rows, err := db.Query("SELECT rule, record, COUNT(*) FROM expected_tickets GROUP BY rule, record")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var rule string
		var record, n int64
		if err := rows.Scan(&rule, &record, &n); err != nil {
			return nil, err
		}
		pack := "om-aggregation/contacts"
		if rule == "critical-result" {
			pack = "labs/lab_results"
		}
		for i := int64(1); i <= n; i++ {
			out[fmt.Sprintf("%s/%s:%d:%d", pack, rule, record, i)] = true
		}
	}
	return out, rows.Err()
}
