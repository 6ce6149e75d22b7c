// Package stix is the language inside a bulletin.
package stix
