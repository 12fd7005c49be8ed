package refresh

import "testing"

func TestProtocols(t *testing.T) {
	t.Parallel()
	type protocolCase struct {
		protocol Protocol
		faults   Faults
		loses    bool // although it could be avoided
		window   bool // where it cannot be
	}
	forgetful := Ours
	forgetful.Keeps = false
	cases := map[string]protocolCase{
		"ours: the lease outlives its worker":    {protocol: Ours},
		"ours, with a crash":                     {protocol: Ours, faults: Faults{Crashes: 1}, window: true},
		"ours, with a lost answer":               {protocol: Ours, faults: Faults{Lost: 1}, window: true},
		"ours, with a row that refuses":          {protocol: Ours, faults: Faults{Refused: 3}},
		"ours, with everything":                  {protocol: Ours, faults: Most, window: true},
		"ours without a second place for tokens": {protocol: forgetful, faults: Faults{Refused: 1}, loses: true},
	}
	for name, p := range Planted {
		cases["planted: "+name] = protocolCase{protocol: p, faults: Faults{Ran: 1}, loses: true}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := Explore(tc.protocol, tc.faults)
			t.Logf("%+v", found)
			if (found.Losses > 0) != tc.loses {
				t.Errorf("lost in %d states, want some: %t", found.Losses, tc.loses)
			}
			if !tc.loses && (found.Window > 0) != tc.window {
				t.Errorf("lost in %d states within the window, want some: %t", found.Window, tc.window)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	ours, planted := Check()
	if ours.Losses != 0 || ours.States < 500 || planted != len(Planted) {
		t.Errorf("ours: %+v; %d of %d planted losses found", ours, planted, len(Planted))
	}
}
