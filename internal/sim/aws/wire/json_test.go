package wire_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/sim/aws/wire"
)

type common struct {
	Queue string `json:"QueueUrl"`
}

type request struct {
	common
	Count   *int `json:",omitempty"`
	Tags    map[string]string
	Entries []struct {
		ID string `json:"Id"`
	}
	Inner *struct{ Text string }
	Data  []byte
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ body, code, message string }{
		"everything":            {`{"QueueUrl":"q","Count":1,"Tags":{"any":"name"},"Entries":[{"Id":"1"}],"Inner":{"Text":"t"},"Data":"AAE="}`, "", ""},
		"nothing":               {``, "", ""},
		"null for a member":     {`{"Count":null,"Entries":null}`, "", ""},
		"an unknown member":     {`{"Colour":"red"}`, "ValidationException", "Colour"},
		"another case":          {`{"queueUrl":"q"}`, "ValidationException", "queueUrl"},
		"the name of the field": {`{"Queue":"q"}`, "ValidationException", "Queue"},
		"the embedded struct":   {`{"common":{}}`, "ValidationException", "common"},
		"unknown in a list":     {`{"Entries":[{},{"id":"1"}]}`, "ValidationException", "Entries.1.id"},
		"unknown further in":    {`{"Inner":{"HTML":"x"}}`, "ValidationException", "Inner.HTML"},
		"text for a number":     {`{"Count":"1"}`, "SerializationException", "Count"},
		"a fraction":            {`{"Count":1.5}`, "SerializationException", "Count"},
		"a list for a struct":   {`{"Inner":[]}`, "SerializationException", "Inner"},
		"a struct for a list":   {`{"Entries":{"Id":"1"}}`, "SerializationException", "Entries"},
		"unknown in a double":   {`{"Inner":{"HTML":"x"},"Inner":{}}`, "SerializationException", "HTML"},
		"bytes that are none":   {`{"Data":"%"}`, "SerializationException", "base64"},
		"a list":                {`[]`, "SerializationException", ""},
		"null":                  {`null`, "SerializationException", "null"},
		"a half":                {`{"Count":`, "SerializationException", "not JSON"},
		"more behind":           {`{} x`, "SerializationException", "goes on"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := wire.Decode([]byte(tc.body), new(request))
			var refused *wire.Error
			switch {
			case tc.code == "":
				if err != nil {
					t.Errorf("error = %v, want none", err)
				}
			case !errors.As(err, &refused) || refused.Code != tc.code || !strings.Contains(refused.Message, tc.message):
				t.Errorf("error = %v, want %s with %q", err, tc.code, tc.message)
			}
		})
	}
}

func TestDecodeFillsTheStruct(t *testing.T) {
	t.Parallel()
	var got request
	if err := wire.Decode([]byte(`{"QueueUrl":"q","Entries":[{"Id":"1"},{"Id":"2"}],"Data":"AAE="}`), &got); err != nil {
		t.Fatal(err)
	}
	if got.Queue != "q" || len(got.Entries) != 2 || got.Entries[1].ID != "2" || string(got.Data) != "\x00\x01" {
		t.Errorf("decoded %+v", got)
	}
}

func TestEncodeKeepsWhatHTMLWouldEscape(t *testing.T) {
	t.Parallel()
	if got, want := string(wire.Encode(map[string]string{"a": "<&>"})), `{"a":"<&>"}`; got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
}

// FuzzDecode holds Decode to this: what it takes, encoding/json takes too when told to refuse unknown members.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"QueueUrl":"q"}`, `{"Entries":[{"Id":"1"}]}`, `{"Inner":{"Text":1}}`, `{}{}`, `nul`, "\x00", `{"Tags":{"a":{"b":1}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if wire.Decode(body, new(request)) != nil || len(strings.TrimSpace(string(body))) == 0 {
			return
		}
		d := json.NewDecoder(strings.NewReader(string(body)))
		d.DisallowUnknownFields()
		if err := d.Decode(new(request)); err != nil {
			t.Errorf("Decode took %q, of which encoding/json says %v", body, err)
		}
	})
}
