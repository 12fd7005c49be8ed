package connect

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// The lease protects a grant only if its holder is gone when it ends: the platform has to kill the broker
// before that.
func TestLeaseOutlivesTheBroker(t *testing.T) {
	t.Parallel()
	template, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?s)\n  TokenBrokerFunction:.*?\n      Timeout: (\d+)\n`).FindSubmatch(template)
	if found == nil {
		t.Fatal("template.yaml gives the token broker no time-out")
	}
	seconds, err := strconv.Atoi(string(found[1]))
	kill := time.Duration(seconds) * time.Second
	if err != nil || kill+20*time.Second > lease {
		t.Errorf("killed after %v, lease of %v: want 20 seconds between them, for clocks that differ", kill, lease)
	}
	if kill < enough+spare {
		t.Errorf("killed after %v, and a refresh needs %v", kill, enough)
	}
}
