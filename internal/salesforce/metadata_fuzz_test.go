package salesforce

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
)

// FuzzMetadataAnswer reads answers of the Metadata API: what is read is well-formed, and as deep and as large as an
// answer may be; what is a list of results has one for each component.
func FuzzMetadataAnswer(f *testing.F) {
	for _, body := range []string{
		`<createMetadataResponse><result><fullName>Contact.A__c</fullName><success>true</success></result><result><errors><message>There is one.</message><statusCode>DUPLICATE_DEVELOPER_NAME</statusCode></errors><success>false</success></result></createMetadataResponse>`,
		`<e:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: no</faultstring></e:Fault>`,
		`<readMetadataResponse><result><records xsi:nil="true"/></result></readMetadataResponse>`,
		`<!DOCTYPE a><a/>`, `<a>&amp;&#65;</a>`, strings.Repeat("<a>", 30),
	} {
		f.Add([]byte(`<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>` + body + `</e:Body></e:Envelope>`))
	}
	f.Add([]byte(`<a/><b/>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var answer changed
		told, err := decodeReply(bytes.NewReader(body), &answer)
		if err != nil {
			if bridge.KindOf(err) != bridge.Internal || told != nil {
				t.Errorf("error %v beside %v", err, told)
			}
			return
		}
		if bytes.Contains(body, []byte("<!DOCTYPE")) && bytes.HasPrefix(body, []byte("<!DOCTYPE")) {
			t.Error("a document type is taken")
		}
		var whole struct {
			XMLName xml.Name
		}
		if err := xml.Unmarshal(body, &whole); err != nil || whole.XMLName.Local != "Envelope" {
			t.Errorf("%v, element %s", err, whole.XMLName.Local)
		}
		list, err := results("test", 1, answer.Results)
		if (err == nil) != (len(answer.Results) == 1) || err == nil && len(list) != 1 {
			t.Errorf("%d results become %v, %v", len(answer.Results), list, err)
		}
	})
}

// FuzzEnvelope builds calls with any text inside, and reads them as Salesforce does.
func FuzzEnvelope(f *testing.F) {
	f.Add("token", "Contact", "RH_CODE__c", "a <b> & \"c\" ]]>")
	f.Add("00D!AQ\x00", "</met:sessionId>", "\xff", "\r\n\t")
	f.Fuzz(func(t *testing.T, token, object, name, text string) {
		field := newCustomField(object, provision.NewField{Name: name, Label: text, Description: text, Of: bridge.Fields[bridge.Points]})
		call := operation{XMLName: xml.Name{Local: "met:createMetadata"}, Components: []any{field}}
		body, err := newEnvelope(bridge.AccessToken{Token: bridge.NewSecret(token)}, call)
		if err != nil {
			t.Fatal(err)
		}
		var read struct {
			Session string `xml:"Header>SessionHeader>sessionId"`
			Body    struct {
				Call struct {
					Fields []struct {
						FullName  string `xml:"fullName"`
						Label     string `xml:"label"`
						Precision int    `xml:"precision"`
						Scale     *int   `xml:"scale"`
					} `xml:"metadata"`
				} `xml:"createMetadata"`
			} `xml:"Body"`
		}
		if err := xml.Unmarshal(body, &read); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		legible := func(s string) string { return strings.ToValidUTF8(printable(s), "\ufffd") }
		fields := read.Body.Call.Fields
		if read.Session != legible(token) || len(fields) != 1 || fields[0].FullName != legible(object+"."+name) || fields[0].Label != legible(text) ||
			fields[0].Precision != bridge.Digits || fields[0].Scale == nil {
			t.Errorf("read as %+v from %s", read, body)
		}
	})
}

// printable replaces what XML cannot say.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\ufffd' && !strings.HasPrefix(s[i:], "\ufffd"):
			b.WriteRune('\ufffd') // one for each byte that is no part of a character
		case r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000:
			b.WriteRune(r)
		default:
			b.WriteRune('\ufffd')
		}
	}
	return b.String()
}
