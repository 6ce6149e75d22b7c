//go:build seeded_number

package node

const seeded = "number"
