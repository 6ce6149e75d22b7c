//go:build seeded_hash

package storage

const seeded = "hash"
