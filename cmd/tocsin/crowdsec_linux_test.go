package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needs skips a test where a program is not installed, or no network namespace can
// be made.
func needs(t testing.TB, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the command and runs other programs beside it")
	}
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed: %v", name, err)
		}
	}
}

// A netns is a network of its own, with a loopback and nothing else: whatever a
// test does to its packet filter, the host's is left alone.
type netns struct {
	t    testing.TB
	name string
}

func newNetns(t testing.TB) netns {
	t.Helper()
	n := netns{t, fmt.Sprintf("tocsin-test-%d", os.Getpid())}
	if out, err := exec.CommandContext(t.Context(), "ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		t.Skipf("no network namespace can be made: %v\n%s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", n.name).Run() })
	n.run("ip", "link", "set", "lo", "up")
	return n
}

// command runs in the namespace.
func (n netns) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", n.name}, args...)...)
}

func (n netns) run(args ...string) string {
	n.t.Helper()
	out, err := n.command(n.t.Context(), args...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// binary is the command, in the namespace.
func (n netns) binary(binary string) string {
	n.t.Helper()
	script := filepath.Join(n.t.TempDir(), "tocsin-in-netns")
	n.write(script, fmt.Sprintf("#!/bin/sh\nexec ip netns exec %s %s \"$@\"\n", n.name, binary))
	if err := os.Chmod(script, 0o700); err != nil {
		n.t.Fatal(err)
	}
	return script
}

func (n netns) write(file, text string) {
	n.t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// start runs a program until the test ends, and shows what it said if that failed.
func (n netns) start(args ...string) *exec.Cmd {
	n.t.Helper()
	var out bytes.Buffer
	cmd := n.command(context.Background(), args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if n.t.Failed() {
			n.t.Logf("%v said:\n%s", args, &out)
		}
	})
	return cmd
}

const bouncerConfig = `mode: nftables
pid_dir: %[1]s/
update_frequency: 1s
daemonize: false
log_mode: stdout
log_level: info
api_url: %[2]s/
api_key: %[3]s
disable_ipv6: false
deny_action: DROP
deny_log: false
supported_decisions_types: [ban]
blacklists_ipv4: crowdsec-blacklists
blacklists_ipv6: crowdsec6-blacklists
nftables:
  ipv4: {enabled: true, set-only: false, table: crowdsec, chain: crowdsec-chain}
  ipv6: {enabled: true, set-only: false, table: crowdsec6, chain: crowdsec6-chain}
prometheus: {enabled: false}
`

// bouncer runs CrowdSec's own bouncer against a node.
func (n netns) bouncer(node *process) *exec.Cmd {
	n.t.Helper()
	dir := n.t.TempDir()
	file := filepath.Join(dir, "bouncer.yaml")
	n.write(file, fmt.Sprintf(bouncerConfig, dir, node.url(), node.must("token", "create", "--role", "reader", "--name", "firewall")))
	return n.start("crowdsec-firewall-bouncer", "-c", file)
}

// banned waits until the packet filter drops just these.
func (n netns) banned(want ...string) {
	n.t.Helper()
	eventually(n.t, fmt.Sprintf("%q are banned", want), func() (bool, string) {
		out, _ := n.command(n.t.Context(), "nft", "list", "ruleset").CombinedOutput()
		text := string(out)
		for _, value := range want {
			if !strings.Contains(text, value+" timeout") {
				return false, text
			}
		}
		return strings.Count(text, " timeout ") == len(want) && strings.Contains(text, "ip saddr @crowdsec-blacklists "), text
	})
}

// TestFirewallBouncer: an unmodified bouncer bans and lifts through nftables what
// the node says, also what the node took back while the bouncer was away and the
// node started again.
func TestFirewallBouncer(t *testing.T) {
	needs(t, "crowdsec-firewall-bouncer", "nft", "ip")
	net := newNetns(t)
	bank := newProcess(t, net.binary(buildBinary(t)), "bank", "tcp")
	bank.must("community", "create", "isac")
	bank.must("submit", "--tlp", "green", "--confidence", "95", "203.0.113.66", "203.0.113.67", "2001:db8::66")
	bouncer := net.bouncer(bank)
	net.banned("203.0.113.66", "203.0.113.67", "2001:db8::66")
	began := time.Now()
	bank.must("revoke", "203.0.113.66")
	bank.must("submit", "--tlp", "green", "--confidence", "95", "203.0.113.68", "evil.example")
	net.banned("203.0.113.67", "203.0.113.68", "2001:db8::66")
	t.Logf("lifted and banned after %s, with a poll each second", time.Since(began).Round(time.Millisecond))

	if err := bouncer.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	bank.must("revoke", "2001:db8::66")
	bank.must("submit", "--tlp", "green", "--confidence", "95", "203.0.113.69")
	bank.terminate()
	bank.start()
	if err := bouncer.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	net.banned("203.0.113.67", "203.0.113.68", "203.0.113.69")
}

const crowdsecConfig = `common: {daemonize: false, log_media: stdout, log_level: info, working_dir: .}
config_paths:
  config_dir: %[1]s/
  data_dir: %[1]s/data/
  simulation_path: %[1]s/simulation.yaml
  hub_dir: %[1]s/hub/
  index_path: %[1]s/hub/.index.json
  notification_dir: %[1]s/notifications/
  plugin_dir: %[1]s/plugins/
crowdsec_service: {acquisition_path: %[1]s/acquis.yaml, parser_routines: 1}
cscli: {output: human}
db_config: {log_level: info, type: sqlite, db_path: %[1]s/data/crowdsec.db, use_wal: true}
plugin_config: {user: root, group: root}
api:
  client: {credentials_path: %[1]s/credentials.yaml}
  server: {log_level: info, listen_uri: "127.0.0.1:%[2]s", profiles_path: %[1]s/profiles.yaml}
prometheus: {enabled: false}
`

const crowdsecProfile = `name: default
filters: ['Alert.Remediation == true && Alert.GetScope() == "Ip"']
decisions: [{type: ban, duration: 4h}]
notifications: [tocsin]
on_success: break
`

// crowdsecNotification is how CrowdSec tells a node: the body is what its own
// template makes of alerts.
const crowdsecNotification = `type: http
name: tocsin
log_level: info
format: '{{.|toJson}}'
url: %[1]s/v1/import?tlp=green&confidence=95&valid=1d&format=crowdsec
method: POST
headers:
  Authorization: Bearer %[2]s
  Content-Type: application/json
`

// crowdsec sets up CrowdSec with what detects attacks on SSH, and has it tell a node.
func (n netns) crowdsec(node *process) (config string) {
	n.t.Helper()
	const plugin = "/usr/lib/crowdsec/plugins/http" // as Debian names it
	if _, err := os.Stat(plugin); err != nil {
		n.t.Skipf("CrowdSec's http plugin is not installed: %v", err)
	}
	dir := n.t.TempDir()
	for _, sub := range []string{"data", "hub", "notifications", "plugins", "parsers/s00-raw", "parsers/s01-parse", "parsers/s02-enrich", "scenarios"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			n.t.Fatal(err)
		}
	}
	const hub = "/usr/share/crowdsec/hub/"
	for from, to := range map[string]string{
		plugin: "plugins/notification-http", "/etc/crowdsec/patterns": "patterns",
		hub + "parsers/s00-raw/crowdsecurity/syslog-logs.yaml":         "parsers/s00-raw/syslog-logs.yaml",
		hub + "parsers/s01-parse/crowdsecurity/sshd-logs.yaml":         "parsers/s01-parse/sshd-logs.yaml",
		hub + "parsers/s02-enrich/crowdsecurity/dateparse-enrich.yaml": "parsers/s02-enrich/dateparse-enrich.yaml",
		hub + "scenarios/crowdsecurity/ssh-bf.yaml":                    "scenarios/ssh-bf.yaml",
	} {
		if out, err := exec.CommandContext(n.t.Context(), "cp", "-rL", from, filepath.Join(dir, to)).CombinedOutput(); err != nil {
			n.t.Fatalf("%v: %s", err, out)
		}
	}
	n.write(filepath.Join(dir, "hub/.index.json"), `{"collections":{},"parsers":{},"postoverflows":{},"scenarios":{}}`)
	n.write(filepath.Join(dir, "simulation.yaml"), "simulation: false\n")
	n.write(filepath.Join(dir, "acquis.yaml"), "")
	n.write(filepath.Join(dir, "profiles.yaml"), crowdsecProfile)
	n.write(filepath.Join(dir, "notifications/http.yaml"), fmt.Sprintf(crowdsecNotification, node.url(), node.must("token", "create", "--role", "analyst", "--name", "crowdsec")))
	port := freePort(n.t, "tcp")
	config = filepath.Join(dir, "config.yaml")
	n.write(config, fmt.Sprintf(crowdsecConfig, dir, port))
	n.write(filepath.Join(dir, "credentials.yaml"), fmt.Sprintf("url: http://127.0.0.1:%s/\nlogin: sensor\npassword: of-this-test\n", port))
	n.run("cscli", "-c", config, "machines", "add", "sensor", "--password", "of-this-test", "-u", "http://127.0.0.1:"+port+"/", "-f", filepath.Join(dir, "credentials.yaml"), "--force")
	return config
}

// TestDetectionReachesBouncer: CrowdSec sees an attack in a real log and tells one
// organisation's node; the firewall of another organisation bans the attacker. What
// CrowdSec knows of who was attacked goes nowhere.
func TestDetectionReachesBouncer(t *testing.T) {
	needs(t, "crowdsec", "cscli", "crowdsec-firewall-bouncer", "nft", "ip")
	net := newNetns(t)
	binary := net.binary(buildBinary(t))
	bank, hospital := newProcess(t, binary, "bank", "tcp"), newProcess(t, binary, "hospital", "tcp")
	bank.must("community", "create", "isac")
	hospital.joins(bank)
	hospital.meets(1)
	hospital.must("peer", "trust", "bank", "anchor")
	net.bouncer(hospital)

	config := net.crowdsec(bank)
	var log strings.Builder
	for i := range 8 {
		at := time.Now().Add(time.Duration(i-10) * time.Second)
		fmt.Fprintf(&log, "%s db7 sshd[%d]: Failed password for invalid user alice.smith from 203.0.113.200 port %d ssh2\n", at.Format("Jan _2 15:04:05"), 1000+i, 4000+i)
	}
	file := filepath.Join(t.TempDir(), "auth.log")
	net.write(file, log.String())
	net.start("crowdsec", "-c", config, "-no-cs", "-no-capi")
	eventually(t, "CrowdSec's API answers", func() (bool, string) {
		out, err := net.command(t.Context(), "cscli", "-c", config, "lapi", "status").CombinedOutput()
		return err == nil, string(out)
	})
	net.start("crowdsec", "-c", config, "-no-api", "-no-capi", "-dsn", "file://"+file, "-type", "syslog")
	net.banned("203.0.113.200")

	_, told, _ := hospital.play("lookup", "203.0.113.200", "--json")
	if !strings.Contains(told, "crowdsec:crowdsecurity/ssh-bf") || !strings.Contains(told, "detected by CrowdSec") {
		t.Errorf("the hospital is told %s", told)
	}
	for _, secret := range []string{"alice", "db7", "sensor", "sshd", "auth.log"} {
		if strings.Contains(told, secret) {
			t.Errorf("the hospital is told of %s: %s", secret, told)
		}
	}
}
