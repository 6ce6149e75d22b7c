package main

import (
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/node/api/feed"
)

func TestFeedUsage(t *testing.T) {
	dir := newDirectory(t, nil)
	for args, want := range map[string]string{
		"feed": "NAME is missing", "feed ip domain": `unexpected "domain"`, "feed nonsense": `unknown feed "nonsense"`, "feed ip --tier all": `not a tier: "all"`,
		"feed release": "NAME is missing", "feed release nonsense": `unknown feed "nonsense"`, "feed release ip --tier none": `not a tier: "none"`, "feed list ip": `unexpected "ip"`,
		"feed list --tier none": `not a tier: "none"`,
	} {
		code, stdout, stderr := play(t, env{}, append(strings.Fields(args), "--dir", string(dir))...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, printed %q, said %q, want %q", args, code, stdout, stderr, want)
		}
	}
	for _, name := range feed.Names() {
		code, stdout, stderr := play(t, env{}, "feed", name, "--dir", string(dir))
		if code != exitFailed || stdout != "" || !strings.Contains(stderr, "no daemon answers for "+string(dir)) {
			t.Errorf("%s without a daemon: exit %d, printed %q, said %q", name, code, stdout, stderr)
		}
		if !strings.Contains(feedHelp, name) {
			t.Errorf("%s is not in the help", name)
		}
	}
	if _, stdout, _ := play(t, env{}, "__complete", "feed", "sha"); !strings.Contains(stdout, "sha1\nsha256\nsha512\n") {
		t.Errorf("completion: %q", stdout)
	}
}
