package feed

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// inNamespace runs a script in a network namespace of its own, which ends with it.
func inNamespace(t *testing.T, script string) string {
	t.Helper()
	unshare := program(t, "unshare")
	flags := "-n"
	if os.Geteuid() != 0 {
		flags = "-rn"
	}
	if out, err := exec.Command(unshare, flags, "true").CombinedOutput(); err != nil {
		t.Skipf("there are no network namespaces here: %s", out)
	}
	return run(t, unshare, flags, "sh", "-ec", script)
}

// checkPacketFilter loads a format in turn, each document twice, as polls do, and
// asks the kernel's sets each time.
func checkPacketFilter(t *testing.T, format, load, test string) {
	dir := engineDir(t)
	script, want := "", ""
	for step, d := range engineDocuments(t) {
		writeFormat(t, dir, format, d)
		file := fmt.Sprintf("%s/%d", dir, step)
		if err := os.Rename(dir+"/"+format, file); err != nil {
			t.Fatal(err)
		}
		script += strings.Repeat(fmt.Sprintf(load, file)+"\n", 2)
		for _, v := range engineVerdicts(t, true) {
			family := 4
			if netip.MustParseAddr(v.value).Is6() {
				family = 6
			}
			script += fmt.Sprintf("if %s >/dev/null 2>&1; then echo true %[2]s; else echo false %[2]s; fi\n", fmt.Sprintf(test, family, v.value), v.value)
			want += fmt.Sprintf("%v %s\n", v.at(step), v.value)
		}
	}
	if got := inNamespace(t, script); got != want {
		t.Errorf("%s says\n%swant\n%s\n%s", format, got, want, script)
	}
}

func TestNftables(t *testing.T) {
	nft := program(t, "nft")
	checkPacketFilter(t, "nftables", nft+" -c -f %[1]s; "+nft+" -f %[1]s", nft+" get element inet tocsin ipv%d '{ %s }'")
}

func TestIPSet(t *testing.T) {
	ipset := program(t, "ipset")
	checkPacketFilter(t, "ipset", ipset+" restore -! < %s", ipset+" test tocsin%d %s")
}

// A rule of somebody else's that uses a set stays, and drops, across a load.
func TestNftablesKeepsRules(t *testing.T) {
	nft := program(t, "nft")
	dir := engineDir(t)
	writeFormat(t, dir, "nftables", documentOf(t, gatewaySample))
	got := inNamespace(t, strings.NewReplacer("NFT", nft, "DIR", dir).Replace(`
		NFT -f DIR/nftables
		NFT 'add chain inet tocsin in { type filter hook input priority 0; }; add rule inet tocsin in ip saddr @ipv4 drop'
		NFT -f DIR/nftables
		NFT list chain inet tocsin in`))
	if !strings.Contains(got, "ip saddr @ipv4 drop") {
		t.Errorf("the rule is gone:\n%s", got)
	}
}
