package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api"
)

var metricName = regexp.MustCompile(`\b(tocsin|process|go)_[a-z_0-9]+\b`)

// examplePrometheus: a real Prometheus finds the node with the files as they are,
// takes every rule, and has every metric that rules and board speak of.
func examplePrometheus(t *testing.T, e *example) {
	e.hasPrograms("prometheus", "promtool")
	node := e.start()
	node.must("sink", "add", "soc", "webhook", "http://127.0.0.1:1/", "--allow", "127.0.0.1") // sinks have figures where there is one
	node.must("source", "add", "cert", "misp", "http://127.0.0.1:1/", "--tlp", "green", "--allow", "127.0.0.1")
	e.makesToken("tocsin.token")
	e.types("chmod")
	e.types("promtool check config")
	e.types("promtool check rules")
	e.types("promtool test rules")
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(e.read("tocsin.rules.yml"), -1) {
		if !strings.Contains(e.read("tocsin.rules.test.yml"), `alertname="`+m[1]+`"`) {
			t.Errorf("no test raises %s", m[1])
		}
	}
	_, figures := e.get(node.url()+"/metrics", "Authorization", "Bearer "+e.token)
	check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(figures)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}

	address := strings.TrimPrefix(node.url(), "http://")
	e.edit("prometheus.yml", "127.0.0.1:7801", address, "scrape_interval: 30s", "scrape_interval: 500ms", "evaluation_interval: 30s", "evaluation_interval: 500ms")
	server := "127.0.0.1:" + freePort(t, "tcp")
	e.runs("prometheus ", "127.0.0.1:9090", server)
	p := prometheusServer{e, "http://" + server}
	eventually(t, "Prometheus has asked the node", func() (bool, string) {
		n, said := p.query(`tocsin_peers_known and on (instance) up{job="tocsin"} == 1`)
		return n == 1, said
	})
	for _, name := range metricName.FindAllString(e.read("tocsin.rules.yml")+e.read("grafana-tocsin.json"), -1) {
		if n, said := p.query("count(" + name + ")"); n != 1 {
			t.Errorf("no metric %s: %s", name, said)
		}
	}
	p.rules()
	p.board()
}

// A prometheusServer is one that runs.
type prometheusServer struct {
	e   *example
	url string
}

// query returns how many series an expression has, -1 where it is none.
func (p *prometheusServer) query(expr string) (n int, said string) {
	ctx, cancel := context.WithTimeout(p.e.t.Context(), arriveWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", p.url+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		p.e.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return -1, err.Error() // not up yet
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var answer struct {
		Status string
		Data   struct{ Result []any }
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" {
		return -1, string(text)
	}
	return len(answer.Data.Result), string(text)
}

// rules waits until every rule has been evaluated.
func (p *prometheusServer) rules() {
	eventually(p.e.t, "every rule is evaluated", func() (bool, string) {
		var answer struct {
			Data struct {
				Groups []struct {
					Rules []struct{ Name, Health, LastError string }
				}
			}
		}
		p.e.json(p.url+"/api/v1/rules", &answer)
		n := 0
		for _, g := range answer.Data.Groups {
			for _, r := range g.Rules {
				if n++; r.Health != "ok" {
					return false, fmt.Sprintf("%+v", r)
				}
			}
		}
		text := p.e.read("tocsin.rules.yml")
		want := strings.Count(text, "- alert: ") + strings.Count(text, "- record: ")
		return n == want && n > 0, fmt.Sprintf("%d rules of %d", n, want)
	})
}

// board waits until every expression of the board has something to show; a rate has
// from the second scrape on.
func (p *prometheusServer) board() {
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(p.e.read("grafana-tocsin.json")), &board); err != nil {
		p.e.t.Fatal(err)
	}
	tried := 0
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			tried++
			eventually(p.e.t, panel.Title+" shows "+target.Expr, func() (bool, string) {
				n, said := p.query(strings.ReplaceAll(target.Expr, "$instance", ".*"))
				return n > 0, said
			})
		}
	}
	if tried < 20 {
		p.e.t.Errorf("the board has %d expressions", tried)
	}
}

// exampleSystemd: systemd takes the unit, and what it would start runs, with the
// passphrase where systemd puts it.
func exampleSystemd(t *testing.T, e *example) {
	unit := map[string][]string{}
	for line := range strings.Lines(e.read("tocsin.service")) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			unit[key] = append(unit[key], value)
		}
	}
	if got, want := fmt.Sprint(unit["ExecStart"], unit["Type"], unit["StateDirectory"]), "[/usr/local/bin/tocsin run --dir %S/tocsin] [notify] [tocsin]"; got != want {
		t.Errorf("the unit starts %s, want %s", got, want)
	}
	name, _, _ := strings.Cut(unit["LoadCredential"][0], ":")
	handed := t.TempDir()
	secret := filepath.Join(handed, name)
	if err := os.WriteFile(secret, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", handed)
	node := &process{t: t, binary: e.binary, dir: directory(filepath.Join(t.TempDir(), "bank"))}
	node.must("init", "--org", "bank", "--listen", freeAddr(t, "tcp"), "--http", "127.0.0.1:"+freePort(t, "tcp"), "--passphrase-file", secret)
	config, err := os.ReadFile(node.dir.config())
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`(?m)^passphrase_file = .*$`).ReplaceAll(config, []byte(`passphrase_file = ""`)) // as after init --passphrase
	if err := os.WriteFile(node.dir.config(), asked, 0o600); err != nil {
		t.Fatal(err)
	}
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(handed, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", manager.LocalAddr().String())
	node.start()
	tells(t, manager, notifyReady)
	node.must("status")
	if err := os.WriteFile(filepath.Join(string(node.dir), api.PolicyName), []byte("[tiers.block]\nscore = 71\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reload, _ := strings.CutPrefix(unit["ExecReload"][0], "/usr/local/bin/tocsin ")
	node.must(strings.Fields(strings.Split(reload, " --dir ")[0])...)
	if _, shown, _ := node.play("policy", "show"); !strings.Contains(shown, "score = 71") {
		t.Errorf("in force after a reload:\n%s", shown)
	}
	node.terminate()
	tells(t, manager, notifyStopping)

	e.hasPrograms("systemd-analyze")
	e.edit("tocsin.service", "/usr/local/bin/tocsin", e.binary) // which has to be there
	if out := e.types("systemd-analyze verify"); out != "" {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	e.types("systemd-analyze security")
}

// tells waits for a word to the service manager.
func tells(t *testing.T, manager *net.UnixConn, want string) {
	t.Helper()
	said := make([]byte, 100)
	manager.SetReadDeadline(time.Now().Add(arriveWithin))
	if n, err := manager.Read(said); err != nil || string(said[:n]) != want {
		t.Errorf("the service manager heard %q, %v, want %s", said[:n], err, want)
	}
}
