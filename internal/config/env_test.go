package config

import (
	"strings"
	"testing"
)

func TestEnv(t *testing.T) {
	t.Parallel()
	read := func(e *Env) {
		e.Need("TABLE")
		e.NeedInt("SECONDS")
		e.Optional("COLOUR")
		e.Simulator()
	}
	for name, tc := range map[string]struct {
		env  map[string]string
		says []string // nothing: no error
	}{
		"complete":                             {env: map[string]string{"TABLE": "t", "SECONDS": "60"}},
		"all that is missing is named at once": {env: nil, says: []string{"TABLE is not set", "SECONDS is not set"}},
		"a number that is none":                {env: map[string]string{"TABLE": "t", "SECONDS": "s3cret"}, says: []string{"SECONDS is not a whole number"}},
		"zero is no length of time":            {env: map[string]string{"TABLE": "t", "SECONDS": "0"}, says: []string{"SECONDS is not a whole number"}},
		"a simulator in development":           {env: map[string]string{"TABLE": "t", "SECONDS": "1", "STAGE": "dev", "SALESFORCE_SIMULATOR": "http://127.0.0.1:8002"}},
		"a simulator in production":            {env: map[string]string{"TABLE": "t", "SECONDS": "1", "STAGE": "prod", "SALESFORCE_SIMULATOR": "http://127.0.0.1:8002"}, says: []string{"must be empty in prod"}},
		"a simulator and no stage at all":      {env: map[string]string{"TABLE": "t", "SECONDS": "1", "SALESFORCE_SIMULATOR": "http://127.0.0.1:8002"}, says: []string{"STAGE is not set"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &Env{Lookup: func(name string) (string, bool) { v, ok := tc.env[name]; return v, ok }}
			read(e)
			err := e.Err()
			if (err != nil) != (len(tc.says) > 0) {
				t.Fatalf("err = %v, want it to say %q", err, tc.says)
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("err = %v, want it to say %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("err = %v gives a value away", err)
			}
		})
	}
}
