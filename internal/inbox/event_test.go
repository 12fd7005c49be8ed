package inbox

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	t.Parallel()
	registration, err := os.ReadFile("testdata/new-registration.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		body string
		want event
	}{
		"a registration as it is documented": {string(registration), event{
			name: "new_registration", campaign: "MF0a1b2c3d4e", subscriber: "sub_1f0c9a77b3e2", address: true, referred: true, code: "9c41d7aa",
		}},
		"nobody referred them":                 {`{"response":"r","subscriber_id":"sub_1","referral":""}`, event{name: "r", subscriber: "sub_1"}},
		"the one who referred them is gone":    {`{"response":"r","subscriber_id":"sub_1","referral":"subscriber_deleted"}`, event{name: "r", subscriber: "sub_1"}},
		"nothing about who referred them":      {`{"response":"r","subscriber_id":"sub_1"}`, event{name: "r", subscriber: "sub_1"}},
		"null for who referred them":           {`{"response":"r","subscriber_id":"sub_1","referral":null}`, event{name: "r", subscriber: "sub_1"}},
		"an empty object for who did":          {`{"response":"r","subscriber_id":"sub_1","referral":{}}`, event{name: "r", subscriber: "sub_1"}},
		"a list for who did":                   {`{"response":"r","subscriber_id":"sub_1","referral":[]}`, event{name: "r", subscriber: "sub_1"}},
		"who did has no code":                  {`{"response":"r","subscriber_id":"sub_1","referral":{"name":"G"}}`, event{name: "r", subscriber: "sub_1", referred: true}},
		"who did has an address for a code":    {`{"response":"r","referral":{"code":"g@example.org"}}`, event{name: "r", referred: true}},
		"who did has a code too long":          {`{"response":"r","referral":{"code":"` + strings.Repeat("x", 65) + `"}}`, event{name: "r", referred: true}},
		"who did has a code with a line break": {`{"response":"r","referral":{"code":"a\nb"}}`, event{name: "r", referred: true}},
		"a code that people chose":             {`{"response":"r","referral":{"code":"Ädà-1ce4"}}`, event{name: "r", referred: true, code: "Ädà-1ce4"}},
		"a code that is a number":              {`{"response":"r","referral":{"code":12345678}}`, event{name: "r", referred: true, code: "12345678"}},
		"no id":                                {`{"response":"r","email":"a@example.org"}`, event{name: "r", address: true}},
		"an id that is a path":                 {`{"response":"r","subscriber_id":"../x","email":"a@example.org"}`, event{name: "r", address: true}},
		"an id that is an address":             {`{"response":"r","subscriber_id":"a@example.org"}`, event{name: "r"}},
		"an id that is an object":              {`{"response":"r","subscriber_id":{"id":"sub_1"}}`, event{name: "r"}},
		"an id that is a number":               {`{"response":"r","subscriber_id":17}`, event{name: "r", subscriber: "17"}},
		"our own import":                       {`{"response":"r","source":"imported_from_salesforce"}`, event{name: "r", imported: true}},
		"somebody else's import":               {`{"response":"r","source":"imported_from_csv"}`, event{name: "r"}},
		"names that differ in case are others": {`{"Response":"other","response":"r","RESPONSE":7}`, event{name: "r"}},
		"more than anybody asked for":          {`{"response":"r","new":{"a":[1,2,{"b":null}]},"big":1e999}`, event{name: "r"}},
		"spaces around it":                     {" \n{\"response\":\"r\"}\n ", event{name: "r"}},
		"sixteen levels":                       {`{"response":"r","x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, event{name: "r"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := read([]byte(tc.body)); err != nil || got != tc.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"nothing":                        ``,
		"no JSON":                        `response=r`,
		"a list":                         `[{"response":"r"}]`,
		"a text":                         `"response"`,
		"null":                           `null`,
		"no response":                    `{"subscriber_id":"sub_1"}`,
		"an empty response":              `{"response":" ","subscriber_id":"sub_1"}`,
		"a response that is an object":   `{"response":{},"subscriber_id":"sub_1"}`,
		"a response that is null":        `{"response":null,"subscriber_id":"sub_1"}`,
		"two bodies":                     `{"response":"r"}{"response":"r"}`,
		"something behind it":            `{"response":"r"}x`,
		"cut off":                        `{"response":"r","subscriber_id":"sub_`,
		"a name twice":                   `{"response":"r","subscriber_id":"sub_1","subscriber_id":"sub_2"}`,
		"a name twice, written as codes": `{"response":"r","subscriber_id":"sub_1","subscriber\u005fid":"sub_2"}`,
		"a name twice, inside":           `{"response":"r","referral":{"code":"a","code":"b"}}`,
		"a name twice, in a list":        `{"response":"r","x":[{"a":1,"a":2}]}`,
		"a comma too many":               `{"response":"r",}`,
		"a comment":                      `{"response":"r"/**/}`,
		"single quotes":                  `{'response':'r'}`,
		"not UTF-8":                      "{\"response\":\"r\xff\"}",
		"a mark of byte order":           "\uFEFF{\"response\":\"r\"}",
		"a control character":            "{\"response\":\"r\x00\"}",
		"seventeen levels":               `{"response":"r","x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`,
		"a hundred thousand levels":      `{"response":"r","x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := read([]byte(body)); err == nil {
				t.Errorf("read as %+v", got)
			} else if strings.Contains(err.Error(), "sub_") {
				t.Errorf("the error quotes the body: %v", err)
			}
		})
	}
}

// FuzzRead looks for bodies that panic, that mean something else to another reader, or that get an address through.
func FuzzRead(f *testing.F) {
	registration, err := os.ReadFile("testdata/new-registration.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(registration)
	for _, seed := range []string{`{"response":"r","referral":{"code":"x@y"}}`, `{"response":7,"subscriber_id":"a"}`, `{"a":{"a":{"a":[[]]}}}`, `{"response":"r","x":1e9}`, `{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := read(body)
		if err != nil {
			if e != (event{}) {
				t.Errorf("an error with %+v", e)
			}
			return
		}
		var other map[string]any
		if json.Unmarshal(body, &other) != nil {
			t.Fatalf("%q is read, and no JSON", body)
		}
		if id, ok := other["subscriber_id"].(string); ok && e.subscriber != "" && string(e.subscriber) != strings.TrimSpace(id) {
			t.Errorf("the id is %q here and %q there", e.subscriber, id)
		}
		if strings.ContainsAny(string(e.subscriber)+e.code, "@\n\r\x00") || len(e.subscriber) > longest || len(e.code) > longest {
			t.Errorf("%q gets through as %+v", body, e)
		}
	})
}
