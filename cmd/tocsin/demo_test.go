package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// demoEnv keeps what the demo makes inside the test's own directory.
func demoEnv(t *testing.T) env {
	t.Setenv("TMPDIR", t.TempDir())
	return env{stdin: strings.NewReader("")}
}

func TestDemoOnce(t *testing.T) {
	e := demoEnv(t)
	code, stdout, stderr := play(t, e, "demo", "--once")
	if code != exitDone {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	for text, want := range map[string]int{" says: ": 31, " hears from ": 62, "bank hears from cert: ": 13, "hospital hears from bank: ": 10,
		"all three hold the same 31 objects\n": 1, "$ tocsin lookup 203.0.113.7\n": 3, "203.0.113.7 ipv4-addr exact ": 6} {
		if got := strings.Count(stdout, text); got != want {
			t.Errorf("%q stands there %d times, want %d\n%s", text, got, want, stdout)
		}
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "tocsin-demo-*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestDemoServes: the curl lines work as they are printed.
func TestDemoServes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e := demoEnv(t)
	r, w := io.Pipe()
	var log strings.Builder
	e.args, e.stdout, e.stderr = []string{"demo"}, w, &log
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, e)
		w.Close()
	}()
	curl := regexp.MustCompile(`^  curl -H '([^:]+): ([^']+)' '([^']+)'$`)
	tried := 0
	lines := bufio.NewScanner(r)
	for lines.Scan() && lines.Text() != "until interrupted" {
		if m := curl.FindStringSubmatch(lines.Text()); m != nil {
			tried++
			tryCurl(t, m[3], m[1], m[2])
		}
	}
	cancel()
	go io.Copy(io.Discard, r)
	if c := <-code; c != exitDone || tried != 6 {
		t.Errorf("exit %d after %d curl lines, want 0 after 6: %s", c, tried, &log)
	}
}

func tryCurl(t *testing.T, url, header, value string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(header, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), demoValue) {
		t.Errorf("%s: %s, %v: %s", url, resp.Status, err, body)
	}
}
