package salesforce

import (
	"strings"
	"testing"
)

// FuzzMetadataFiles deploys any manifest, workflow and flow: whatever becomes of it, a deployment that failed leaves nothing, what it made
// can be read again, and opportunities can be saved.
func FuzzMetadataFiles(f *testing.F) {
	good := files(hook)
	f.Add(packageXML, good[workflowFile], flowXML)
	for _, change := range [][2]string{
		{everyChange, `AND(NOT(ISNEW()),ISPICKVAL({!$Record.StageName},"a\"b"))`},
		{"<filterFormula>" + everyChange + "</filterFormula>",
			`<filterLogic>or</filterLogic>` +
				`<filters><field>Amount</field><operator>EqualTo</operator><value><numberValue>1E300</numberValue></value></filters>`},
		{"<Flow", "<!DOCTYPE a [<!ENTITY b 'c'>]><Flow"}, {"<start>", "<start/><start>"}, {`encoding="UTF-8"`, `encoding="UTF-7"`}, {"Flow", "x:Flow"},
		{"<actionName>Opportunity.", "<actionName>"}, {"<object>Opportunity", "<object>Contact"},
	} {
		f.Add(packageXML, good[workflowFile], strings.Replace(flowXML, change[0], change[1], 1))
	}
	f.Add(strings.ReplaceAll(packageXML, "members>", "member>"), good[workflowFile]+good[workflowFile], "")
	f.Add(strings.ReplaceAll(packageXML, "RH_Opportunity_Stage", "*"),
		strings.ReplaceAll(good[workflowFile], "<fields>", "<fields>\ufffd"), strings.Repeat("<a>", 100))
	f.Fuzz(func(t *testing.T, listed, workflow, flow string) {
		o := New(Options{Generated: 2})
		defer o.Close()
		o.SetSwitches(Switches{Automation: Automation{Sandbox: true}, Outbound: Outbound{OutboundPaused: true}})
		d, err := o.enqueueNow(zipped(t, map[string]string{"package.xml": listed, workflowFile: workflow, flowFile: flow}))
		if err != nil || d.Outcome != deploySucceeded && d.Outcome != deployFailed {
			t.Fatalf("%v, %+v", err, d)
		}
		if made := o.table("FlowDefinition").live + o.table("Flow").live + o.table("WorkflowOutboundMessage").live; d.Outcome == deployFailed && made > 0 {
			t.Errorf("a deployment that failed made %d components", made)
		}
		if _, err := o.save("", deal("Prospecting")); err != nil {
			t.Error(err)
		}
		kept, err := o.Snapshot()
		if err == nil {
			err = o.Restore(kept)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// FuzzZip opens anything at all as a package.
func FuzzZip(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, archive []byte) {
		files, err := openPackage(archive)
		if err != nil {
			return
		}
		for name, content := range files {
			if strings.HasPrefix(name, "/") || strings.Contains("/"+name+"/", "/../") || len(content) > largestMetadata {
				t.Errorf("%q of %d bytes", name, len(content))
			}
		}
	})
}

// FuzzFormula reads any entry conditions, and has them decide.
func FuzzFormula(f *testing.F) {
	for _, seed := range []string{"OR(ISNEW(), ISCHANGED({!$Record.StageName}))", `ISPICKVAL({!$Record.StageName}, "a\\\"")`, "NOT(NOT(ISNEW( )))",
		"AND(", "(", strings.Repeat("NOT(", 100)} {
		f.Add(seed)
	}
	o := New(Options{Generated: -1})
	t := o.table("Opportunity")
	f.Fuzz(func(_ *testing.T, text string) {
		if runs, err := readFormula(t, true, text); err == nil {
			runs(saved{table: t, before: make([]string, t.width), after: make([]string, t.width)})
		}
	})
}

// FuzzAcknowledgement reads any answer: only one that has the word in it can be an acknowledgement.
func FuzzAcknowledgement(f *testing.F) {
	f.Add(ack)
	f.Add(strings.Replace(ack, "true", "<!-- -->1", 1))
	f.Add("<")
	f.Fuzz(func(t *testing.T, answer string) {
		if acknowledged([]byte(answer)) && !(strings.Contains(answer, "notificationsResponse") && strings.Contains(answer, "Ack")) {
			t.Errorf("taken for an acknowledgement: %q", answer)
		}
	})
}
