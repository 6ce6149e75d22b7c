//go:build seeded_ack

package storage

const seeded = "ack"
