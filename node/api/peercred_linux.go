package api

import (
	"net"
	"os"
	"syscall"
)

// PeerCredListener lets in processes of our own user and of root, by what the
// kernel says of the other end of a Unix socket, and closes the connections of
// all others unread. The 0700 directory around the socket is the first guard;
// this one holds where somebody opened that.
func PeerCredListener(l net.Listener) net.Listener { return peerCredListener{l} }

type peerCredListener struct{ net.Listener }

// Accept returns the next connection that may come in.
func (l peerCredListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, ok := peerUID(c); ok && (uid == 0 || uid == uint32(os.Getuid())) {
			return c, nil
		}
		c.Close()
	}
}

func peerUID(c net.Conn) (uid uint32, ok bool) {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return 0, false
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *syscall.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil || failed != nil {
		return 0, false
	}
	return cred.Uid, true
}
