package api

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestAnotherUserIsTurnedAway connects as another user through a directory and
// a socket that are, wrongly, open to all.
func TestAnotherUserIsTurnedAway(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir, err := os.MkdirTemp("", "tocsin")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	raw, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l := PeerCredListener(raw)
	for name, mode := range map[string]os.FileMode{dir: 0o755, path: 0o777} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	accepted := make(chan bool, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Close()
		}
		accepted <- err == nil
	}()
	const nobody = 65534
	if n, err := connectAs(nobody, path); err != nil || n != 0 {
		t.Errorf("nobody reads %d bytes, %v", n, err)
	}
	select {
	case <-accepted:
		t.Fatal("nobody was let in")
	default:
	}
	c, err := net.DialTimeout("unix", path, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !<-accepted {
		t.Error("our own user was turned away")
	}
	l.Close()
}

// connectAs connects from a thread of its own that is another user, which the
// goroutine's end takes with it, and reads until the other side closes.
func connectAs(uid uintptr, path string) (n int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, uid, uid, uid); errno != 0 {
			err = errno
			return
		}
		var fd int
		if fd, err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0); err != nil {
			return
		}
		defer syscall.Close(fd)
		if err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
			return
		}
		n, err = syscall.Read(fd, make([]byte, 1))
	}()
	<-done
	return n, err
}
