//go:build !linux

package api

import "net"

// PeerCredListener is l: where the kernel is not asked who connects, the 0700
// directory around the socket alone keeps other users out.
func PeerCredListener(l net.Listener) net.Listener { return l }

func peerUID(net.Conn) (uid uint32, ok bool) { return 0, false }
