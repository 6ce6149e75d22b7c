package feed

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const rsyslogConf = `
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="PORT")
lookup_table(name="tocsin" file="DIR/rsyslog" reloadOnHUP="on")
template(name="hit" type="string" string="%$.key% is %$.hit%\n")
set $.key = ltrim($msg);
set $.hit = lookup("tocsin", $.key);
action(type="omfile" file="DIR/hits" template="hit")
`

// rsyslog looks up what it is sent, and finds what is listed as a single value.
func TestRsyslog(t *testing.T) {
	rsyslogd := program(t, "rsyslogd")
	for _, d := range []*Document{documentOf(t, gatewaySample), documentOf(t, "")} {
		dir, port := engineDir(t), freePort(t)
		writeFormat(t, dir, "rsyslog", d)
		conf := writeFile(t, dir, "rsyslog.conf", strings.NewReplacer("PORT", port, "DIR", dir).Replace(rsyslogConf))
		if said := run(t, rsyslogd, "-N1", "-f", conf, "-i", filepath.Join(dir, "pid")); strings.Contains(said, "error") {
			t.Error(said)
		}
		logger := background(t, rsyslogd, "-n", "-f", conf, "-i", filepath.Join(dir, "pid"))
		var c net.Conn
		logger.eventually(t, "it listens", func() (is bool) {
			var err error
			c, err = net.Dial("tcp", "127.0.0.1:"+port)
			return err == nil
		})
		want := ""
		for _, keys := range [][2]string{
			{"203.0.113.7", "ipv4-addr 94 amber"}, {"203.0.113.65", ""}, {"evil.example", "domain-name 70 amber"}, {"www.evil.example", ""},
			{`http://evil.example/a?b=1,2&c="d"`, "url 52 clear"}, {`http://evil.example/a|b*c^d$e(f)[g]{h}\i'j;k`, "url 49 green"},
			{"0123456789abcdef0123456789abcdef", "md5 37 green"}, {"last", ""},
		} {
			fmt.Fprintf(c, "<13>Nov  1 12:00:00 host tag: %s\n", keys[0])
			if d.Len == 0 {
				keys[1] = ""
			}
			want += keys[0] + " is " + keys[1] + "\n"
		}
		c.Close()
		var got []byte
		logger.eventually(t, "all is looked up", func() bool {
			got, _ = os.ReadFile(filepath.Join(dir, "hits"))
			return strings.Contains(string(got), "last is")
		})
		if string(got) != want {
			t.Errorf("rsyslog finds\n%swant\n%s", got, want)
		}
	}
}
