package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
)

// Exit codes.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 3
)

var (
	errUsage    = errors.New("wrong usage")
	errNotFound = errors.New("not found")
	// errNoDaemon: nobody answers for the directory.
	errNoDaemon = errors.New("no daemon answers")
	// errTold ends a command with code 1 when all that went wrong was printed
	// as it happened.
	errTold = errors.New("failed")
)

// A fault is an error with what to do about it.
type fault struct {
	err  error
	hint string
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// hinted adds what to do about an error.
func hinted(err error, format string, args ...any) error {
	return &fault{err, fmt.Sprintf(format, args...)}
}

// kinded is an error of one of the kinds above whose text does not repeat it.
type kinded struct {
	kind error
	text string
}

func (k *kinded) Error() string { return k.text }
func (k *kinded) Unwrap() error { return k.kind }

func usagef(format string, args ...any) error {
	return &kinded{errUsage, fmt.Sprintf(format, args...)}
}

func notFoundf(format string, args ...any) error {
	return &kinded{errNotFound, fmt.Sprintf(format, args...)}
}

// exitCode is the one place where errors become codes.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errUsage), errors.Is(err, node.ErrUsage):
		return exitUsage
	case errors.Is(err, errNotFound), errors.Is(err, node.ErrNotFound):
		return exitNotFound
	}
	return exitFailed
}

// report tells a person what failed, why, and what to do.
func report(w io.Writer, command string, err error) {
	if err == nil || errors.Is(err, errTold) {
		return
	}
	what := "tocsin"
	if command != "" {
		what += ": " + command
	}
	text, hint := explain(err)
	fmt.Fprintf(w, "%s: %s\n", what, clean(text))
	for _, f := range moreFaults(err) {
		fmt.Fprintln(w, clean(f.String()))
	}
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", clean(hint))
	}
}

// moreFaults is what else is wrong with a policy that was refused, the first
// fault being the error's own words.
func moreFaults(err error) api.PolicyFaults {
	var faults api.PolicyFaults
	var problem *api.Problem
	if errors.As(err, &problem) {
		faults = problem.Faults
	} else if !errors.As(err, &faults) {
		return nil
	}
	return faults[min(1, len(faults)):]
}

// explain returns an error in words, and what to do about it.
func explain(err error) (text, hint string) {
	var f *fault
	if errors.As(err, &f) {
		return err.Error(), f.hint
	}
	var problem *api.Problem
	if errors.As(err, &problem) {
		return err.Error(), problem.Hint
	}
	if errors.Is(err, context.Canceled) {
		return "interrupted", ""
	}
	return err.Error(), ""
}

// unreachable turns the failure to reach a daemon into words; other errors
// stay as they are.
func unreachable(err error, dir string) error {
	var op *net.OpError
	var problem *api.Problem
	if err == nil || errors.As(err, &problem) || !errors.As(err, &op) || op.Op != "dial" {
		return err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return hinted(fmt.Errorf("%w for %s", errNoDaemon, dir), "start it with `tocsin run`, or give another --dir")
	case errors.Is(err, fs.ErrPermission):
		return hinted(fmt.Errorf("the daemon of %s belongs to another user", dir), "run the command as that user")
	}
	return err
}
