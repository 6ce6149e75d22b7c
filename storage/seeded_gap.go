//go:build seeded_gap

package storage

const seeded = "gap"
