package proof

import (
	"strings"
	"testing"
	"time"
)

// TestEnvelopesAreAcknowledgedAndQueued is a second of the experiment, by counts that do not depend on the machine.
func TestEnvelopesAreAcknowledgedAndQueued(t *testing.T) {
	t.Parallel()
	found, err := postEnvelopes(t.Context(), "../../..", time.Second, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if found.Envelopes != 50 || found.Acknowledged != 50 || found.Messages != 50 {
		t.Errorf("found %+v; want 50 envelopes, all acknowledged, and one message for each", found)
	}
}

func TestOutboundFigures(t *testing.T) {
	t.Parallel()
	good := OutboundFigures{Envelopes: 500, Notifications: 100, Acknowledged: 500, Messages: 500, Median: 9, Slowest: 40, Processor: 2.4}
	if err := good.Err(); err != nil {
		t.Errorf("good figures: %v", err)
	}
	for what, spoil := range map[string]func(*OutboundFigures){
		"every envelope acknowledged": func(f *OutboundFigures) { f.Acknowledged-- },
		"one message on the queue":    func(f *OutboundFigures) { f.Messages *= 100 },
		"within 150 ms":               func(f *OutboundFigures) { f.Slowest = 150 },
		"of the processor":            func(f *OutboundFigures) { f.Processor = 0 },
	} {
		bad := good
		spoil(&bad)
		if err := bad.Err(); err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
