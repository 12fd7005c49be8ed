package salesforce

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// soapDeployment is what the operations of the Metadata API about deployments are sent.
type soapDeployment struct {
	Zip     string `xml:"ZipFile"` // in base64
	Options struct {
		AllowMissingFiles bool `xml:"allowMissingFiles"`
		CheckOnly         bool `xml:"checkOnly"`
		IgnoreWarnings    bool `xml:"ignoreWarnings"`
		PurgeOnDelete     bool `xml:"purgeOnDelete"`
		RollbackOnError   bool `xml:"rollbackOnError"`
		SinglePackage     bool `xml:"singlePackage"`

		RunTests  []string `xml:"runTests"`
		TestLevel string   `xml:"testLevel"`
	} `xml:"DeployOptions"`
	Process string `xml:"asyncProcessId"`
	Details bool   `xml:"includeDetails"`
	Cancels string `xml:"String"` // the id that cancelDeploy is sent
}

// deployBySOAP does the operations deploy, checkDeployStatus and cancelDeploy. The others are not its business.
func (o *Org) deployBySOAP(by author, name string, in soapDeployment) (answer string, done bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var result any
	switch name {
	case "deploy":
		zipped, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(in.Zip), ""))
		if err != nil || len(zipped) == 0 || len(zipped) > largestPackage {
			return "", true, refuse(http.StatusInternalServerError, "INVALID_FIELD", "ZipFile is no file in base64")
		}
		s := in.Options
		d, err := o.enqueue(by.user, deployOptions{AllowMissingFiles: s.AllowMissingFiles, CheckOnly: s.CheckOnly,
			IgnoreWarnings: s.IgnoreWarnings, PurgeOnDelete: s.PurgeOnDelete,
			RollbackOnError: s.RollbackOnError, SinglePackage: s.SinglePackage, RunTests: s.RunTests, TestLevel: s.TestLevel}, zipped)
		if err != nil {
			return "", true, err
		}
		result = map[string]any{"done": false, "id": d.ID, "state": "Queued"}
	case "checkDeployStatus":
		d, err := o.findDeployment(in.Process)
		if err != nil {
			return "", true, refuse(http.StatusInternalServerError, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
		}
		result = o.describeDeployment(d, d.state(o.options.Now()), in.Details)["deployResult"]
	case "cancelDeploy":
		d, err := o.findDeployment(in.Cancels)
		if err == nil {
			err = o.cancel(d, by.user)
		}
		if err != nil {
			return "", true, err
		}
		result = map[string]any{"done": true, "id": d.ID}
	default:
		return "", false, nil
	}
	text, err := json.Marshal(result)
	var plain any
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err != nil {
		return "", true, err
	}
	var b bytes.Buffer
	b.WriteString("<" + name + "Response>")
	writeElements(&b, "result", plain)
	b.WriteString("</" + name + "Response>")
	return b.String(), true, nil
}

// writeElements writes what is JSON as XML: a list as an element for each of its items, null as none.
func writeElements(b *bytes.Buffer, name string, v any) {
	switch v := v.(type) {
	case nil:
		return
	case []any:
		for _, item := range v {
			writeElements(b, name, item)
		}
		return
	case map[string]any:
		b.WriteString("<" + name + ">")
		for _, key := range slices.Sorted(maps.Keys(v)) {
			writeElements(b, key, v[key])
		}
	default:
		b.WriteString("<" + name + ">")
		_ = xml.EscapeText(b, fmt.Append(nil, v)) // a buffer takes everything
	}
	b.WriteString("</" + name + ">")
}
