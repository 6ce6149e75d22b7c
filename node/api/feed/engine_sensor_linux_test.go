package feed

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const sensorTime = time.Minute // for a program to do what it is asked

// sensorRun runs a program to its end in a directory and returns what it wrote
// and its exit code.
func sensorRun(t *testing.T, dir, stdin, name string, args ...string) (string, int) {
	t.Helper()
	path := program(t, name)
	ctx, stop := context.WithTimeout(t.Context(), sensorTime)
	defer stop()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s: %v, %v\n%s", name, err, ctx.Err(), out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// formatOf finds one of the formats of this file.
func formatOf(t *testing.T, name string) *Format {
	t.Helper()
	all := sensorFormats()
	i := slices.IndexFunc(all, func(f Format) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("no format %s", name)
	}
	return &all[i]
}

const saganConfig = `%%YAML 1.1
---
vars:
  sagan-groups:
    FIFO: "%[1]s/fifo"
    RULE_PATH: "/etc/sagan-rules"
    LOCKFILE: "%[1]s/sagan.pid"
    LOG_PATH: "%[1]s"
  address-groups:
    HOME_NET: "any"
    EXTERNAL_NET: "any"
sagan-core:
  core:
    sensor-name: "test"
    default-host: 127.0.0.1
    default-port: 514
    default-proto: udp
    dns-warnings: disabled
    source-lookup: disabled
    max-threads: 2
    classification: "$RULE_PATH/classification.config"
    reference: "$RULE_PATH/reference.config"
    gen-msg-map: "$RULE_PATH/gen-msg.map"
    protocol-map: "$RULE_PATH/protocol.map"
    xbit-storage: mmap
  liblognorm:
    enabled: yes
    normalize_rulebase: "$RULE_PATH/normalization.rulebase"
  mmap-ipc:
    ipc-directory: %[1]s
    xbit: 100
    threshold-by-src: 100
    threshold-by-dst: 100
    threshold-by-username: 100
    after-by-src: 100
    after-by-dst: 100
    after-by-username: 100
    track-clients: 100
processors:
  - bro-intel:
      enabled: yes
      filename: "%[1]s/intel.dat"
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      interface: logs
      alerts: yes
      logs: no
      filename: "%[1]s/eve.json"
rules-files:
  - %[1]s/own.rules
`

// Sagan loads as many values of each type as the file has, and raises an alarm
// of a listed address and of no other.
func TestEngineSagan(t *testing.T) {
	d := sensorDocument(t)
	intel := filesOf(t, formatOf(t, "zeek"), d)[""]
	dir := t.TempDir()
	entry := "192.0.2.1|local0|info|info|sshd|2026-11-01|12:00:00|sshd| login from %s now\n"
	writeFiles(t, dir, map[string]string{
		"intel.dat": intel, "sagan.yaml": fmt.Sprintf(saganConfig, dir),
		"own.rules": `alert any any any -> any any (msg: "listed"; bro-intel: by_src; classtype: suspicious-traffic; parse_src_ip: 1; sid: 9000001; rev: 1;)` + "\n",
		"in.log":    fmt.Sprintf(entry, "203.0.113.7") + fmt.Sprintf(entry, "192.0.2.99"),
	})
	out, code := sensorRun(t, dir, "", "sagan", "-f", "sagan.yaml", "-F", "in.log", "-u", "root", "-l", filepath.Join(dir, "sagan.log"))
	log, err := os.ReadFile(filepath.Join(dir, "sagan.log"))
	if err != nil || code != 0 {
		t.Fatalf("exit %d: %v\n%s%s", code, err, out, log)
	}
	for _, kind := range []string{"ADDR", "DOMAIN", "FILE_HASH", "URL"} {
		want := fmt.Sprintf("Intel::%s Loaded: %d\n", kind, strings.Count(intel, "\tIntel::"+kind+"\t"))
		if strings.HasSuffix(want, ": 0\n") || !strings.Contains(string(log), want) {
			t.Errorf("want %q in\n%s", want, log)
		}
	}
	alarms, err := os.ReadFile(filepath.Join(dir, "eve.json"))
	if err != nil || strings.Count(string(alarms), `"signature":"listed"`) != 1 || !strings.Contains(string(alarms), `"src_ip":"203.0.113.7"`) {
		t.Errorf("alarms: %s %v", alarms, err)
	}
}

// fileHashes makes a directory of files and a document of the hashes of three:
// each of another kind. One file is in no feed.
func fileHashes(t *testing.T) (dir string, d *Document) {
	dir = t.TempDir()
	writeFiles(t, dir, map[string]string{"by-md5": "file one\n", "by-sha1": "file two\n", "by-sha256": "file three\n", "unlisted": "file four\n"})
	return dir, documentOf(t, fmt.Sprintf("md5 %x\nsha1 %x\nsha256 %x\n", md5.Sum([]byte("file one\n")), sha1.Sum([]byte("file two\n")), sha256.Sum256([]byte("file three\n"))))
}

func TestEngineClamAV(t *testing.T) {
	dir, d := fileHashes(t)
	f := formatOf(t, "clamav")
	writeFiles(t, filepath.Join(dir, "db"), filesOf(t, f, d))
	out, code := sensorRun(t, dir, "", "clamscan", "--no-summary", "-d", "db", "by-md5", "by-sha1", "by-sha256", "unlisted")
	for _, name := range []string{"by-md5", "by-sha1", "by-sha256"} {
		if !regexp.MustCompile(name + `: Tocsin\.tlp_\w+\.[0-9a-f]{16}\.UNOFFICIAL FOUND`).MatchString(out) {
			t.Errorf("%s was not found", name)
		}
	}
	if code != 1 || !strings.Contains(out, "unlisted: OK") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	writeFiles(t, filepath.Join(dir, "db"), filesOf(t, f, documentOf(t, "ipv4-addr 203.0.113.7\n"))) // hashes all revoked
	if out, code := sensorRun(t, dir, "", "clamscan", "--no-summary", "-d", "db", "by-md5"); code != 0 {
		t.Errorf("of databases without a hash: exit %d:\n%s", code, out)
	}
}

func TestEngineYARA(t *testing.T) {
	dir, d := fileHashes(t)
	f := formatOf(t, "yara")
	writeFiles(t, dir, map[string]string{"tocsin.yar": filesOf(t, f, d)[""]})
	for name, rule := range map[string]string{
		"by-md5": `^tocsin_md5_[0-9a-f]{32} \[tlp_clear,tier_block\] by-md5\n$`, "by-sha1": `^tocsin_sha1_[0-9a-f]{40} \[tlp_green,tier_block\] by-sha1\n$`,
		"by-sha256": `^tocsin_sha256_[0-9a-f]{64} \[tlp_amber,tier_block\] by-sha256\n$`, "unlisted": `^$`,
	} {
		if out, code := sensorRun(t, dir, "", "yara", "-g", "tocsin.yar", name); code != 0 || !regexp.MustCompile(rule).MatchString(out) {
			t.Errorf("%s: exit %d: %s", name, code, out)
		}
	}
	writeFiles(t, dir, map[string]string{"tocsin.yar": filesOf(t, f, documentOf(t, "ipv4-addr 203.0.113.7\n"))[""]})
	if out, code := sensorRun(t, dir, "", "yara", "tocsin.yar", "by-md5"); code != 0 || out != "" {
		t.Errorf("of no rules: exit %d: %s", code, out)
	}
}

func TestEngineHashdeep(t *testing.T) {
	dir, d := fileHashes(t)
	writeFiles(t, dir, filesOf(t, formatOf(t, "hashdeep"), d))
	for program, file := range map[string]string{"md5deep": "by-md5", "sha1deep": "by-sha1", "sha256deep": "by-sha256"} {
		list := strings.TrimSuffix(program, "deep") + ".txt"
		out, _ := sensorRun(t, dir, "", program, "-b", "-m", list, "by-md5", "by-sha1", "by-sha256", "unlisted")
		if out != file+"\n" {
			t.Errorf("%s finds %q, want %s", program, out, file)
		}
	}
	writeFiles(t, dir, filesOf(t, formatOf(t, "hashdeep"), documentOf(t, fmt.Sprintf("sha256 %x\n", sha256.Sum256([]byte("file three\n")))))) // the others revoked
	for program, want := range map[string]string{"md5deep": "", "sha1deep": "", "sha256deep": "by-sha256\n"} {
		out, _ := sensorRun(t, dir, "", program, "-b", "-s", "-m", strings.TrimSuffix(program, "deep")+".txt", "by-md5", "by-sha1", "by-sha256", "unlisted")
		if out != want {
			t.Errorf("%s finds %q of what is left, want %q", program, out, want)
		}
	}
}

// rsyslog takes the frames over TCP, and what it writes down lognormalizer reads
// as CEF, each value as it was said.
func TestEngineRsyslog(t *testing.T) {
	d := sensorDocument(t)
	dir := t.TempDir()
	received := relay(t, dir, filesOf(t, formatOf(t, "cef.syslog"), d)[""], d.Len)
	if want := filesOf(t, formatOf(t, "cef"), d)[""]; received != want {
		t.Errorf("rsyslog received\n%s, want\n%s", received, want)
	}
	writeFiles(t, dir, map[string]string{"cef.rulebase": "version=2\nrule=:%f:cef%\n"})
	out, code := sensorRun(t, dir, received, "lognormalizer", "-r", "cef.rulebase", "-e", "json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	var read, want []string
	for _, line := range split(out) {
		var event struct {
			F struct{ Extensions map[string]string }
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		read = append(read, event.F.Extensions["cs1"]+" from "+event.F.Extensions["cs5"])
	}
	for e := range d.All {
		want = append(want, e.Value+" from "+d.Source)
	}
	if !slices.Equal(read, want) {
		t.Errorf("lognormalizer reads %q, want %q", read, want)
	}
}

const rsyslogConfig = `global(workDirectory=%q)
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port=%q)
template(name="m" type="string" string="%%msg%%\n")
action(type="omfile" file=%q template="m")
`

// relay sends lines to rsyslog and returns what it wrote down of as many.
func relay(t *testing.T, dir, lines string, n int) (received string) {
	t.Helper()
	port, file := freePort(t), filepath.Join(dir, "received")
	config := fmt.Sprintf(rsyslogConfig, dir, port, file)
	writeFiles(t, dir, map[string]string{"rsyslog.conf": config})
	r := background(t, program(t, "rsyslogd"), "-n", "-f", filepath.Join(dir, "rsyslog.conf"), "-i", filepath.Join(dir, "pid"))
	var c net.Conn
	r.eventually(t, "listening", func() (up bool) {
		var err error
		c, err = net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		return err == nil
	})
	if _, err := c.Write([]byte(lines)); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	r.eventually(t, "written", func() bool {
		content, _ := os.ReadFile(file)
		received = string(content)
		return strings.Count(received, "\n") >= n
	})
	return received
}
