package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"github.com/tocsin-exchange/tocsin/node/api"
)

// An env is the world as a command sees it.
type env struct {
	args           []string // without the program's name
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string                // nil: an empty environment
	dial           func(dir string) *api.Client       // reaches the daemon of a directory; nil: its socket
	terminal       bool                               // somebody watches stderr: progress may be drawn
	prompt         func(label string) ([]byte, error) // asks for a secret; nil: nobody can be asked
	hangup         func() (<-chan os.Signal, func())  // signals to read the policy again, until stopped; nil: none come
	unhoused       bool                               // dial was given: no directory is needed to reach a daemon
}

// realEnv is the world of the process.
func realEnv() env {
	e := env{
		args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
		terminal: term.IsTerminal(int(os.Stderr.Fd())), hangup: hangups,
	}
	if term.IsTerminal(int(os.Stdin.Fd())) && e.terminal {
		e.prompt = promptTerminal
	}
	return e
}

// hangups takes HUP signals, which else end the process.
func hangups() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// promptTerminal asks without showing what is typed.
func promptTerminal(label string) ([]byte, error) {
	fmt.Fprint(os.Stderr, label+": ")
	defer fmt.Fprintln(os.Stderr)
	return term.ReadPassword(int(os.Stdin.Fd()))
}

// withDefaults fills in what a caller left out.
func (e env) withDefaults() env {
	if e.getenv == nil {
		e.getenv = func(string) string { return "" }
	}
	if e.hangup == nil {
		e.hangup = func() (<-chan os.Signal, func()) { return nil, func() {} }
	}
	e.unhoused = e.dial != nil
	if !e.unhoused {
		e.dial = func(dir string) *api.Client { return api.Unix(directory(dir).socket()) }
	}
	return e
}

// stateDir is where a node lives unless --dir says otherwise.
func (e env) stateDir() (string, error) {
	if dir := e.getenv("TOCSIN_DIR"); dir != "" {
		return dir, nil
	}
	if dir := e.getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tocsin"), nil
	}
	if home := e.getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "tocsin"), nil
	}
	return "", usagef("where is the node? give --dir, or set TOCSIN_DIR")
}
