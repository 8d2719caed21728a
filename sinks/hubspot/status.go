package hubspot

import "time"

// Status is a moment of the sink, for `chartwire status` and metrics.
type Status struct {
	Portal  int64  `json:"portal"`
	Version string `json:"version"`
	Zone    string `json:"zone,omitempty"` // of the account, where its day ends
	Opened  bool   `json:"opened"`

	Window   WindowStatus    `json:"window"`
	Daily    DailyStatus     `json:"daily"`
	Breakers []BreakerStatus `json:"breakers"`
	InFlight int             `json:"in_flight"`

	// Waits says why a lane's last request for room was refused, by lane; a
	// lane that is not waiting is absent.
	Waits map[string]WaitStatus `json:"waits,omitempty"`
	// Halted is the code of the halt that stops all calls, or "".
	Halted string `json:"halted,omitempty"`
	// Problems is what the account no longer offers of what the maps need.
	Problems []string `json:"problems,omitempty"`
}

// WindowStatus is the account's rolling 10-second limit.
type WindowStatus struct {
	Max     int `json:"max"`     // of the application, as HubSpot says
	Granted int `json:"granted"` // our part of it now
	Reserve int `json:"reserve"` // of that, for safety only
	Used    int `json:"used"`    // by us in the last 10 s
	Others  int `json:"others"`  // by others with the same key, as measured
	// Blocked is until when HubSpot asked us to send nothing.
	Blocked time.Time `json:"blocked,omitzero"`
}

// DailyStatus is the account's daily limit, shared by all its applications.
type DailyStatus struct {
	Limit   int       `json:"limit"` // 0: not known yet
	Used    int       `json:"used"`
	Reserve int       `json:"reserve"`
	Resets  time.Time `json:"resets,omitzero"`
	Paused  bool      `json:"paused"` // only safety goes on
}

// WaitStatus is why and until when a lane waits.
type WaitStatus struct {
	Reason string    `json:"reason"` // window, pace, daily, blocked, breaker, in-flight, halted
	Until  time.Time `json:"until"`
}
