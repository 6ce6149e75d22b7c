package sink

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freePort is a port of loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// startRsyslog runs rsyslogd with TCP input, and returns the file it writes the
// messages to.
func startRsyslog(t *testing.T, port string) (file string) {
	t.Helper()
	program, err := exec.LookPath("rsyslogd")
	if err != nil {
		t.Skip("rsyslogd is not installed (Debian package rsyslog)")
	}
	dir := t.TempDir()
	file = filepath.Join(dir, "messages")
	conf := fmt.Sprintf(`module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="%s")
template(name="all" type="string" string="%%protocol-version%% %%HOSTNAME%% %%APP-NAME%% %%MSGID%% %%syslogseverity-text%%\t%%msg%%\n")
action(type="omfile" file="%s" template="all")
`, port, file)
	path := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(program, "-n", "-f", path, "-i", filepath.Join(dir, "pid"))
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("rsyslogd: %v\n%s", err, said.String())
		}
	})
	return file
}

func linesOf(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// TestRsyslog has the real collector take our messages, and the real CEF parser
// read every one of them.
func TestRsyslog(t *testing.T) {
	port := freePort(t)
	file := startRsyslog(t, port)
	d := newDesk(t)
	for i := range 20 {
		d.say("add", fmt.Sprintf("n%d.example", i))
	}
	d.say("remove", "n3.example")
	s := d.sinks()
	stop := d.run(s)
	defer func() { stop() }()
	d.add(s, Config{Name: "siem", Kind: Syslog, URL: "tcp://127.0.0.1:" + port})
	eventually(t, "21 messages", func() bool { return len(linesOf(t, file)) == 21 })
	var messages []string
	for i, line := range linesOf(t, file) {
		head, msg, _ := strings.Cut(line, "\t")
		op := "add"
		if i == 20 {
			op = "remove"
		}
		if want := "1 banknode tocsin " + op + " notice"; head != want {
			t.Errorf("line %d: header %q, want %q", i, head, want)
		}
		messages = append(messages, strings.TrimPrefix(msg, " "))
	}
	checkCEF(t, messages)
}

// checkCEF has lognormalizer parse messages of the log of a desk.
func checkCEF(t *testing.T, messages []string) {
	t.Helper()
	program, err := exec.LookPath("lognormalizer")
	if err != nil {
		t.Skip("lognormalizer is not installed (Debian package liblognorm-utils)")
	}
	rules := filepath.Join(t.TempDir(), "cef.rulebase")
	if err := os.WriteFile(rules, []byte("version=2\nrule=:%f:cef%\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-r", rules, "-e", "json")
	cmd.Stdin = strings.NewReader(strings.Join(messages, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	parsed := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(parsed) != len(messages) {
		t.Fatalf("%d messages, %d parsed:\n%s", len(messages), len(parsed), out)
	}
	for i, line := range parsed {
		var one struct {
			F struct {
				DeviceVendor, SignatureID, Severity string
				Extensions                          map[string]string
			}
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		x := one.F.Extensions
		value := "n" + strconv.Itoa(i) + ".example"
		if i == 20 {
			value = "n3.example"
		}
		if one.F.DeviceVendor != "Tocsin" || x["destinationDnsDomain"] != value || x["cs1"] != value || x["cs2"] != "green" || x["cn1"] != "80" || x["msg"] != "a = b | c\\d\nnext" {
			t.Errorf("message %d %q parsed as %s", i, messages[i], line)
		}
	}
}

// readFrame reads a message by its count of octets, as RFC 6587 says.
func readFrame(t *testing.T, c net.Conn) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	count, err := in.ReadString(' ')
	size, bad := strconv.Atoi(strings.TrimSuffix(count, " "))
	if err != nil || bad != nil || size > 1<<20 {
		t.Fatalf("a frame of %q: %v", count, err)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(in, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSyslogTLS sends over TLS to whom the CA vouches for, and to nobody else; a
// collector that goes away is connected to again.
func TestSyslogTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler()) // for its certificate
	server.StartTLS()
	defer server.Close()
	config := &tls.Config{Certificates: server.TLS.Certificates}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conns := make(chan net.Conn)
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			if c.(*tls.Conn).HandshakeContext(context.Background()) == nil {
				conns <- c
			}
		}
	}()
	d := newDesk(t)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	d.file = func(path string, _ bool) ([]byte, error) {
		if path != "/ca.pem" {
			return nil, os.ErrNotExist
		}
		return ca, nil
	}
	d.say("add", "a.example")
	s := d.sinks()
	defer d.run(s)()
	d.add(s, Config{Name: "stranger", Kind: Syslog, URL: "tls://" + l.Addr().String()})
	d.add(s, Config{Name: "lost", Kind: Syslog, URL: "tls://" + l.Addr().String(), CAFile: "/none.pem"})
	d.add(s, Config{Name: "siem", Kind: Syslog, URL: "tls://" + l.Addr().String(), CAFile: "/ca.pem", Format: JSON})
	c := <-conns
	if got := readFrame(t, c); !strings.HasPrefix(got, "<133>1 ") || !strings.HasSuffix(got, ` banknode tocsin - add - {"op":"add","cursor":"1","value":"a.example"}`) {
		t.Errorf("message %q", got)
	}
	c.Close()
	n := 0
	eventually(t, "another connection", func() bool { // what is written before the end is seen is lost
		select {
		case c = <-conns:
			return true
		default:
			n++
			d.say("add", fmt.Sprintf("n%d.example", n))
			return false
		}
	})
	if got := readFrame(t, c); !strings.Contains(got, `"op":"add"`) {
		t.Errorf("message %q", got)
	}
	eventually(t, "both others to fail", func() bool {
		return strings.Contains(d.state(s, "stranger").Problem, "certificate") && strings.Contains(d.state(s, "lost").Problem, "CA: ")
	})
}
