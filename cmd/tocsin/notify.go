package main

import (
	"fmt"
	"net"
	"time"
)

// What a service manager is told, as sd_notify(3) has it.
const (
	notifyReady    = "READY=1"
	notifyStopping = "STOPPING=1"

	notifyWithin = time.Second
)

// notify tells the service manager how the daemon is doing, where NOTIFY_SOCKET
// says that there is one: a datagram to a Unix socket; an @ stands for the zero
// byte of an abstract name, as in package net.
func (e env) notify(state string) error {
	path := e.getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("the service manager, at NOTIFY_SOCKET: %w", err)
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(notifyWithin))
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("the service manager, at NOTIFY_SOCKET: %w", err)
	}
	return nil
}
