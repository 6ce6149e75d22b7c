//go:build !(seeded_ack || seeded_hash || seeded_gap)

package storage

// seeded names a mistake that is built in on purpose, by a build tag, to see
// that the tests find it. Here it is none.
const seeded = ""
