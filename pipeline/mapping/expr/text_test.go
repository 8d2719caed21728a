package expr

import (
	"testing"
	"time"
)

func FuzzDate(f *testing.F) {
	for _, d := range []int64{0, -1, -719162, 2932896, 11016} {
		f.Add(d)
	}
	f.Fuzz(func(t *testing.T, days int64) {
		if days < -719162 || days > 2932896 { // the years 1 to 9999
			return
		}
		text := AppendDate(nil, days)
		if back, ok := ParseDate(string(text)); !ok || back != days || len(text) != 10 {
			t.Errorf("day %d became %s", days, text)
		}
	})
}

func FuzzInstant(f *testing.F) {
	for _, us := range []int64{0, -1, 1, 999999, -62135596800e6, 253402300799999999} {
		f.Add(us)
	}
	f.Fuzz(func(t *testing.T, us int64) {
		if us < -62135596800e6 || us > 253402300799999999 {
			return
		}
		text := AppendInstant(nil, us)
		back, ok := ParseInstant(string(text))
		if want := floorDiv(us, 1000) * 1000; !ok || back != want || text[len(text)-1] != 'Z' {
			t.Errorf("%d became %s, which reads as %d", us, text, back)
		}
	})
}

// FuzzAt holds a local time to be what clocks in the zone show at the moment
// found, unless they skipped it, and the moment to be the first such.
func FuzzAt(f *testing.F) {
	for _, us := range []int64{1774751400e6, 1792896600e6, -1e15, 0} {
		f.Add(us, uint8(0))
	}
	var zones []*time.Location
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"} {
		z, err := time.LoadLocation(name)
		if err != nil {
			f.Fatal(err)
		}
		zones = append(zones, z)
	}
	f.Fuzz(func(t *testing.T, us int64, zone uint8) {
		if us < -62135596800e6 || us > 253402300799999999 {
			return
		}
		z := zones[int(zone)%len(zones)]
		at := At(us, z)
		shows := func(at int64) int64 { return at + offset(floorDiv(at, 1e6), z)*1e6 }
		if shows(at) == us {
			for _, earlier := range []int64{30 * 60e6, 3600e6, 2 * 3600e6} {
				if shows(at-earlier) == us {
					t.Errorf("%s shows %d already %d µs before %d", z, us, earlier, at)
				}
			}
			return
		}
		// Skipped: shortly before, clocks show less, and at the moment found more.
		if shows(at) < us || shows(at-3*3600e6) > us {
			t.Errorf("%s: %d is shown at %d, which is neither it nor after a gap", z, us, at)
		}
	})
}
