package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPolicyOfProcess: a daemon takes up a policy that is saved and one that it is
// told of by a signal, goes on under a fault, and does not start with one.
func TestPolicyOfProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	bank := newProcess(t, buildBinary(t), "bank", "tcp")
	inForce := func(what, want string) {
		t.Helper()
		eventually(t, what, func() (bool, string) {
			_, stdout, stderr := bank.play("policy", "show")
			return strings.Contains(stdout, want), stdout + stderr
		})
	}
	inForce("the empty policy is in force", "\ndefault = 50\n")
	bank.dir.save(t, map[string]string{"policy.toml": "trust.default = 61\n"})
	inForce("what was saved is in force", "\ndefault = 61\n")
	bank.dir.save(t, map[string]string{"policy.toml": "trust.default = 62\n"})
	if err := bank.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	inForce("what a signal told of is in force", "\ndefault = 62\n")

	bank.dir.save(t, map[string]string{"policy.toml": "trust.default = 620\n"})
	eventually(t, "doctor and status know of the fault", func() (bool, string) {
		_, stdout, stderr := bank.play("doctor")
		_, status, _ := bank.play("status")
		return strings.Contains(stdout, "wrong policy: ") && strings.Contains(status, "\npolicy: ") && strings.Contains(status, "policy.toml:1:17"), stdout + stderr + status
	})
	if code, stdout, stderr := bank.play("policy", "reload"); code != exitFailed || stdout != "" || !strings.Contains(stderr, "policy.toml:1:17: trust.default: 620 is out of range (0 to 100)") {
		t.Errorf("reload of a fault: exit %d, %s%s", code, stdout, stderr)
	}
	inForce("the policy from before is in force", "\ndefault = 62\n")
	bank.terminate()

	out, err := exec.CommandContext(t.Context(), bank.binary, "run", "--dir", string(bank.dir)).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "tocsin: run: the policy is refused: policy.toml:1:17: trust.default") {
		t.Errorf("started with a fault: %v, %s", err, out)
	}
	if err := os.Remove(filepath.Join(string(bank.dir), "policy.toml")); err != nil {
		t.Fatal(err)
	}
	bank.start()
	inForce("without the file the empty policy is in force", "\ndefault = 50\n")
	bank.terminate()
}
