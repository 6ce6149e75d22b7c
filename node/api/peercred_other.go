//go:build !linux

package api

import "net"

// PeerCredListener is l: where the kernel is not asked who connects, the 0700
// directory around the socket alone keeps other users out.
func PeerCredListener(l net.Listener) net.Listener { return l }
