package stix

import "time"

// revocationLasts is how long a revocation stands at least: older versions of
// the object may still be on their way.
const revocationLasts = 365 * 24 * time.Hour

// Revoke returns the next version of an object, which takes it back: as it was,
// with revoked true, modified now, and valid no shorter than a year. An object
// that has no versions (a cyber-observable) cannot be revoked. An error is a
// [*Fault].
func Revoke(raw []byte, now time.Time) (Object, error) {
	now = now.UTC().Truncate(time.Millisecond)
	o, err := Parse(raw)
	if err != nil {
		return o, err
	}
	m, err := readMembers(raw)
	if err != nil {
		return o, err
	}
	if !m.has("modified") {
		return o, &Fault{"/modified", "an object of type " + o.Type + " has no versions, so it cannot be revoked: erase it"}
	}
	m.set("revoked", []byte("true"))
	if later := o.Modified.Add(time.Millisecond); now.Before(later) {
		now = later
	}
	m.setTime("modified", now)
	if until := now.Add(revocationLasts); !o.ValidUntil.IsZero() && o.ValidUntil.Before(until) {
		m.setTime("valid_until", until)
	}
	return Parse(m.appendJSON(make([]byte, 0, len(raw)+64)))
}
