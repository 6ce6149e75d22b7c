// Command tocsin is the street door: flags, files, sockets and signals. All
// else is behind it, in the packages below; `tocsin --help` lists what can be
// said here and `tocsin COMMAND --help` says what each command takes, prints
// and refuses.
//
// # How it is built
//
// main hands the world to [run] as an [env]: arguments, streams, environment
// and a way to reach a daemon. Nothing else here touches them, so tests and
// drills play the real command line inside one process. One file holds one
// command, its help text first; root.go lists them.
//
// # Output
//
// A record is a line. Its fields are separated by single spaces and never hold
// a tab or a line break; a field with a blank or a quotation mark in it is
// quoted the way JSON does. What a script captures (a token, an invite) is the
// last line of standard output. Hints for people go to standard error. With
// --json a record is one JSON object on one line. Control characters, marks
// that change the direction of text and characters that show as nothing are
// escaped in everything printed, since most of it comes from others.
//
// # Exit codes
//
//	0  done
//	1  failed, or refused
//	2  wrong usage: nothing was done
//	3  not found: no such thing, or nothing is known of any value
//
// An error is `tocsin: what failed: why`, and then `hint: what to do` where
// something can be done, on standard error.
//
// # The directory
//
// One node is one directory, mode 0700: --dir, else $TOCSIN_DIR, else
// $XDG_STATE_HOME/tocsin, else ~/.local/state/tocsin.
//
//	config.toml  what `tocsin init --help` and the file itself explain
//	org.key      the organisation (0600); may be kept elsewhere
//	node.key     this node (0600)
//	node.cert    the organisation's word that the node is its own
//	seal.key     opens what others seal for this node alone (0600)
//	store.key    where a passphrase was set: what the store is encrypted with
//	entry.toml   until the first start: what init --certificate was given
//	node.key.old until the next start: the key that key rotate replaced
//	policy.toml  the operator's rules; optional, as is what it names beside it
//	store/       the memory of the node
//	audit/       the journal of what was done, by whom
//	tocsin.sock  the daemon's door for this command
//	lock         held by the one daemon (or `store rebuild`) at work here
//
// Keys are PEM: PKCS #8 where no passphrase was set, else a block of our own
// (Argon2id, 64 MiB, 3 passes; XChaCha20-Poly1305). Existing keys are never
// overwritten.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/libp2p/go-libp2p/gologshim"
)

func main() {
	if os.Getenv("GOLOG_LOG_LEVEL") == "" { // libp2p logs past us what it also returns as an error
		gologshim.SetDefaultHandler(slog.DiscardHandler)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, realEnv()))
}
