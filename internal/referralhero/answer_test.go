package referralhero

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// FuzzDecode looks for answers that the decoder takes for more than they are.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"status":"ok","data":{"id":"sub_1"},"calls_left":4987,"timestamp":1767225600}`,
		`{"status":"ok","data":[],"calls_left":"12","timestamp":"1767225600"}`,
		`{"status":"ok","calls_left":null}`,
		`{"status":"ok","calls_left":1e400,"timestamp":-1}`,
		`{"status":"ok","calls_left":"` + "\x00" + `"}`,
		`{"status":"error","message":"Missing API token","code":"no_token"}`,
		`{"status":"error","code":7}`,
		`{"Status":"ok"}`, `null`, `[]`, `"`, ``, `<html>`,
	} {
		f.Add(200, []byte(seed))
		f.Add(500, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		data, quota, err := decode("op", bridge.UnknownOutcome, status, text)
		if err != nil && data != nil {
			t.Errorf("an error with data: %v, %s", err, data)
		}
		if err == nil && status >= 300 {
			t.Errorf("status %d counts as a success", status)
		}
		if quota.Left < -1 || quota.At.Before(time.Time{}) {
			t.Errorf("quota = %+v", quota)
		}
		if code := bridge.CodeOf(err); len(code) > 40 {
			t.Errorf("code %q", code)
		}
	})
}

// FuzzSubscriber looks for subscribers that cannot be, and for attributes that spoil the others.
func FuzzSubscriber(f *testing.F) {
	for _, seed := range []string{
		`{"id":"sub_1","name":"Ada","position":"3","referred_by":{},"points":-4,"created_at":1767225600}`,
		`{"id":7,"referred":"true","referred_by":{"id":"sub_2","people_referred":"x"}}`,
		`{"id":"sub_1","referred_by":[[[]]],"source":null,"verified":"yes","position":1e308}`,
		`{"ID":"sub_1","id":"sub_2"}`, `{}`, `[]`, `null`, `"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s subscriber
		if json.Unmarshal(data, &s) != nil {
			var object map[string]json.RawMessage
			if json.Unmarshal(data, &object) == nil {
				t.Fatalf("an object that is no subscriber: %s", data)
			}
			return
		}
		n := s.noun(time.Time{})
		if n.Position < 0 || n.Referrals() < 0 || n.Referrer.PeopleReferred < 0 || n.CreatedAt.Before(time.Time{}) || n.CreatedAt.Year() > 99999 {
			t.Errorf("%s reads as %+v", data, n)
		}
	})
}
