//go:build !seeded_number

package node

// seeded names a mistake that is built in on purpose, by a build tag, to see
// that the tests find it. Here it is none.
const seeded = ""
