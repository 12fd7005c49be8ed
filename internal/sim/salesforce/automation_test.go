package salesforce

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// opportunityRow is what a statement finds of an opportunity.
type opportunityRow struct {
	ID, StageName, ContactID, CurrencyIsoCode string
	Amount                                    *float64
	IsDeleted                                 bool
}

func TestOpportunityInTheRecycleBin(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	of := s.deal(token, `{"Name":"Deal","StageName":"Prospecting","CloseDate":"2026-12-31","ContactId":"0035g00000000Aa"}`)
	counts := func() string {
		t.Helper()
		var b strings.Builder
		for _, statement := range []string{"SELECT COUNT() FROM Opportunity WHERE Id = '" + of + "'", "SELECT COUNT() FROM OpportunityContactRole WHERE OpportunityId = '" + of + "'",
			"SELECT COUNT() FROM OpportunityHistory WHERE OpportunityId = '" + of + "'"} {
			_, after, _ := strings.Cut(s.query(token, statement).body, `"totalSize":`)
			b.WriteString(after[:1])
		}
		return b.String()
	}
	if a := s.api(token, "DELETE", data+"/sobjects/Opportunity/"+of, ""); a.status != http.StatusNoContent || counts() != "000" {
		t.Errorf("deleted: %d, %s", a.status, counts())
	}
	if rows := rowsOf[opportunityRow](t, s.api(token, "GET", data+"/queryAll?q=SELECT+Id,IsDeleted+FROM+Opportunity+WHERE+IsDeleted=true", "")); len(rows) != 1 || !rows[0].IsDeleted {
		t.Errorf("by queryAll: %+v", rows)
	}
	if err := s.Undelete(of); err != nil || counts() != "111" {
		t.Errorf("undeleted: %v, %s", err, counts())
	}
	if err := s.Undelete(of); err == nil {
		t.Error("undeleted twice")
	}
	if err := s.Undelete("0065g0000000zzz"); err == nil {
		t.Error("undeleted what never was")
	}
}

func TestPrimaryRoleIsTheContactOfTheOpportunity(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	of := s.deal(token, `{"Name":"Deal","StageName":"Prospecting","CloseDate":"2026-12-31","ContactId":"0035g00000000Aa"}`)
	contact := func() string {
		t.Helper()
		return rowsOf[opportunityRow](t, s.query(token, "SELECT ContactId FROM Opportunity WHERE Id = '"+of+"'"))[0].ContactID
	}
	if a := s.api(token, "PATCH", data+"/sobjects/Opportunity/"+of, `{"ContactId":"0035g00000000aA"}`); codeOf(a) != "INVALID_FIELD_FOR_INSERT_UPDATE" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.form("/opportunities/"+of+"/roles", "contact", "0035g00000000aA", "primary", "on"); a.status != http.StatusSeeOther || !strings.HasPrefix(contact(), "0035g00000000aA") {
		t.Errorf("another primary role: %d %s", a.status, contact())
	}
	type role struct{ ID, ContactID string }
	roles := rowsOf[role](t, s.query(token, "SELECT Id, ContactId FROM OpportunityContactRole WHERE OpportunityId = '"+of+"' ORDER BY IsPrimary DESC"))
	for _, step := range []struct{ role, does, want string }{
		{roles[1].ID, "primary", "0035g00000000Aa"}, {roles[1].ID, "none", ""}, {roles[0].ID, "primary", "0035g00000000aA"}, {roles[0].ID, "remove", ""},
	} {
		if a := s.form("/opportunities/"+of+"/roles/"+step.role, "do", step.does); a.status != http.StatusSeeOther || !strings.HasPrefix(contact(), step.want) || step.want == "" && contact() != "" {
			t.Errorf("%s: %d, contact %q, want %q", step.does, a.status, contact(), step.want)
		}
	}
	if a := s.form("/opportunities/"+of+"/roles/00K5g0000000zzz", "do", "remove"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a role that is not there: %d", a.status)
	}
}

func TestHistoryHasEveryChangeThatCounts(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	of := s.deal(token, newDeal)
	for _, change := range []string{`{"StageName":"Qualification"}`, `{"Amount":7}`, `{"Probability":33}`, `{"CloseDate":"2027-01-01"}`, `{"Name":"Other"}`, `{"Amount":7}`, `{"StageName":"Closed Won","Amount":8}`} {
		s.change(token, of, change)
	}
	type row struct {
		StageName, CloseDate string
		Amount, Probability  float64
	}
	rows := rowsOf[row](t, s.query(token, "SELECT StageName, Amount, Probability, CloseDate FROM OpportunityHistory WHERE OpportunityId = '"+of+"' ORDER BY Id"))
	if len(rows) != 6 || rows[0].StageName != "Prospecting" || rows[3].Probability != 33 || rows[4].CloseDate != "2027-01-01" || rows[5] != (row{"Closed Won", "2027-01-01", 8, 100}) {
		t.Errorf("%+v", rows)
	}
}

func TestSeveralCurrencies(t *testing.T) {
	t.Parallel()
	r := &receiver{}
	s, token := telling(t, r)
	before := s.deal(token, newDeal)
	if a := s.query(token, "SELECT CurrencyIsoCode FROM Opportunity"); codeOf(a) != "INVALID_FIELD" {
		t.Errorf("with one currency: %s", a.body)
	}
	if a := s.query(token, "SELECT IsoCode FROM CurrencyType"); codeOf(a) != "INVALID_TYPE" {
		t.Errorf("with one currency: %s", a.body)
	}
	if a := s.form("/setup/currencies"); a.status != http.StatusSeeOther {
		t.Fatal(a.body)
	}
	endpoint := rowsOf[struct {
		Metadata struct{ EndpointURL string }
	}](t, s.tooling(token, "SELECT Metadata FROM WorkflowOutboundMessage"))[0].Metadata.EndpointURL
	if d := s.deploy(token, rollback, with(files(endpoint), workflowFile, "<fields>Id</fields>", "<fields>CurrencyIsoCode</fields><fields>Id</fields>")); !d.Result.Success {
		t.Fatalf("%+v", d.Result.Details)
	}
	if a := s.api(token, "GET", data+"/sobjects/Opportunity/describe", ""); !strings.Contains(a.body, `"value":"JPY"`) {
		t.Error("the description does not know the currencies")
	}
	if a := s.api(token, "POST", data+"/sobjects/Opportunity", strings.Replace(newDeal, "{", `{"CurrencyIsoCode":"XYZ",`, 1)); codeOf(a) != "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" {
		t.Errorf("%d %s", a.status, a.body)
	}
	after := s.deal(token, strings.Replace(newDeal, "{", `{"CurrencyIsoCode":"eur",`, 1))
	s.change(token, after, `{"Amount":99}`)
	s.idle()
	if told := r.all(); !strings.Contains(told[len(told)-1].raw, "<sf:CurrencyIsoCode>EUR</sf:CurrencyIsoCode>") {
		t.Errorf("%s", told[len(told)-1].raw)
	}
	check := func() {
		t.Helper()
		for of, want := range map[string]string{before: "USD", after: "EUR"} {
			if rows := rowsOf[opportunityRow](t, s.query(token, "SELECT CurrencyIsoCode FROM Opportunity WHERE Id = '"+of+"'")); rows[0].CurrencyIsoCode != want {
				t.Errorf("%+v, want %s", rows, want)
			}
			if rows := rowsOf[opportunityRow](t, s.query(token, "SELECT CurrencyIsoCode FROM OpportunityHistory WHERE OpportunityId = '"+of+"' LIMIT 1")); rows[0].CurrencyIsoCode != want {
				t.Errorf("history: %+v, want %s", rows, want)
			}
		}
	}
	check()
	kept, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	other := newSite(t, Options{Generated: -1, MultiCurrency: true})
	if err := other.Restore(kept); err != nil {
		t.Fatal(err)
	}
	s, token = other, other.token()
	check()
	if a := s.query(token, "SELECT IsoCode, ConversionRate FROM CurrencyType WHERE IsCorporate = true"); !strings.Contains(a.body, `"IsoCode":"USD","ConversionRate":1.0`) {
		t.Errorf("%s", a.body)
	}
}

func TestAutomationPages(t *testing.T) {
	t.Parallel()
	r := &receiver{answer: status(503)}
	s, token := telling(t, r)
	see := func(path string, want ...string) {
		t.Helper()
		a := s.do(s.request("GET", path, nil))
		for _, text := range want {
			if !strings.Contains(a.body, text) {
				t.Errorf("%s does not show %q: %d", path, text, a.status)
			}
		}
	}
	press := func(status int, path string, pairs ...string) answer {
		t.Helper()
		a := s.form(path, pairs...)
		if a.status != status {
			t.Errorf("%s %v: %d %s", path, pairs, a.status, a.body)
		}
		return a
	}
	press(http.StatusUnprocessableEntity, "/opportunities", "Name", "Deal", "StageName", "None such", "CloseDate", "2026-12-31")
	made := press(http.StatusSeeOther, "/opportunities", "Name", "<i>Deal", "StageName", "Prospecting", "Amount", "12.5", "CloseDate", "2026-12-31", "ContactId", "0035g00000000Aa")
	deal := made.header.Get("Location")
	see(deal, "&lt;i&gt;Deal", "Delete this opportunity", "Ann Lee")
	for len(s.Posts()) == 0 {
		runtime.Gosched() // the org knows only after its receiver
	}
	s.turn(func(w *Switches) { w.OutboundPaused = true })
	see("/outbound", "1 waiting", "Send now", "not acknowledged", "/hook", strings.TrimPrefix(deal, "/opportunities/"))
	waiting, _ := s.Notifications()
	press(http.StatusSeeOther, "/outbound", "do", "requeue", "id", waiting[0].ID)
	press(http.StatusUnprocessableEntity, "/outbound", "do", "requeue", "id", "04l5g0000000zzz")
	press(http.StatusSeeOther, "/outbound", "do", "delete", "id", waiting[0].ID)
	see("/outbound", "0 waiting", "deleted")
	press(http.StatusSeeOther, "/outbound", "do", "switches", "outboundDelay", "1m30s", "outboundDuplicate", "3", "outboundClonedOrgId", "00D000000000001")
	see("/outbound", `value="1m30s"`, `name="outboundDuplicate" inputmode="numeric" value="3"`, `value="00D000000000001"`)
	press(http.StatusUnprocessableEntity, "/outbound", "do", "switches", "outboundDelay", "-1s")
	press(http.StatusUnprocessableEntity, "/outbound", "do", "switches", "outboundClonedOrgId", "0035g00000000Aa")
	press(http.StatusUnprocessableEntity, "/outbound", "do", "switches", "outboundLoseAnswer", "-1")

	press(http.StatusSeeOther, deal+"/bin", "do", "delete")
	see(deal, "This record is deleted", "Undelete this opportunity")
	press(http.StatusSeeOther, deal+"/bin", "do", "undelete")
	see(deal, "Ann Lee", "Delete this opportunity")

	see("/setup", "RH Opportunity Stage", "1: Active", "/hook", "Succeeded", "admin@acme.example")
	press(http.StatusSeeOther, "/setup/flows/RH_Opportunity_Stage", "version", "0")
	see("/setup", "1: Obsolete")
	press(http.StatusUnprocessableEntity, "/setup/flows/RH_Opportunity_Stage", "version", "2")
	press(http.StatusUnprocessableEntity, "/setup/flows/Other", "version", "1")
	press(http.StatusSeeOther, "/setup/automation", "flowTestsMissing", "on", "deployDelay", "20s")
	if got := s.Switches().Automation; got != (Automation{FlowTestsMissing: true, DeployDelay: Duration(20_000_000_000)}) {
		t.Errorf("%+v", got)
	}
	press(http.StatusUnprocessableEntity, "/setup/automation", "deployDelay", "soon")
	press(http.StatusSeeOther, "/setup/users", "user", "former@acme.example", "active", "on")
	if _, err := s.Org.Token("former@acme.example"); err != nil {
		t.Error(err)
	}
	press(http.StatusSeeOther, "/setup/users", "user", administrator)
	if s.alive(token) {
		t.Error("the session of a user who was deactivated goes on")
	}
}

func TestAutomationControls(t *testing.T) {
	t.Parallel()
	r := &receiver{answer: status(503)}
	s, token := telling(t, r)
	post := func(path, body string, status int) string {
		t.Helper()
		a := s.do(s.request("POST", "/__control/"+path, strings.NewReader(body)))
		if a.status != status {
			t.Errorf("%s %s: %d %s", path, body, a.status, a.body)
		}
		return a.body
	}
	deal := s.deal(token, newDeal)
	post("switches", `{"outboundPaused":true,"outboundSpread":"1m","sandbox":true,"deployDelay":"1s"}`, http.StatusOK)
	post("switches", `{"outboundClonedOrgId":"x"}`, http.StatusBadRequest)
	if w := s.Switches(); !w.OutboundPaused || w.OutboundSpread == 0 || w.DeployDelay == 0 {
		t.Errorf("%+v", w)
	}
	state := decode[outboundState](t, s.do(s.request("GET", "/__control/outbound", nil)).body)
	if state.Counts.Queued != 1 || len(state.Waiting)+len(state.Done) != 1 {
		t.Errorf("%+v", state)
	}
	post("outbound/requeue", `{}`, http.StatusOK)
	post("outbound/requeue", `{"id":"04l5g0000000zzz"}`, http.StatusBadRequest)
	post("outbound/delete", `{"id":""}`, http.StatusOK)
	post("flows", `{"flow":"RH_Opportunity_Stage","version":0}`, http.StatusOK)
	post("flows", `{"flow":"RH_Opportunity_Stage","version":9}`, http.StatusBadRequest)
	post("undelete", `{"id":"`+deal+`"}`, http.StatusBadRequest)
	post("users", `{"user":"marco.sales@acme.example","active":false}`, http.StatusOK)
	post("users", `{"user":"nobody@acme.example","active":false}`, http.StatusBadRequest)
	if body := post("currencies", ``, http.StatusOK); !strings.Contains(body, `"CurrencyType":4`) || strings.Contains(body, "marco") {
		t.Errorf("%s", body)
	}
}

func TestEntryConditions(t *testing.T) {
	t.Parallel()
	formula := func(text string) map[string]string {
		return with(files(hook), flowFile, everyChange, text)
	}
	filters := func(logic, list string) map[string]string {
		return with(files(hook), flowFile, "<filterFormula>"+everyChange+"</filterFormula>",
			"<doesRequireRecordChangedToMeetCriteria>true</doesRequireRecordChangedToMeetCriteria><filterLogic>"+logic+"</filterLogic>"+list)
	}
	filter := func(field, operator, value string) string {
		return "<filters><field>" + field + "</field><operator>" + operator + "</operator><value>" + value + "</value></filters>"
	}
	const won = "<stringValue>Closed Won</stringValue>"
	for name, tc := range map[string]struct {
		files map[string]string
		want  string // of: a new one, another name, Closed Won, another amount of it, Closed Lost, Closed Won
	}{
		"every change of a stage or an amount": {files(hook), "+-++++"},
		"one stage, when it is reached":        {formula(oneStage), "--+--+"},
		"any other stage":                      {formula(`AND(OR(ISNEW(), ISCHANGED({!$Record.StageName})), NOT(ISPICKVAL({!$Record.StageName}, "Closed Won")))`), "+---+-"},
		"new ones":                             {formula(`ISNEW()`), "+-----"},
		"a list":                               {filters("and", filter("StageName", "EqualTo", won)+filter("IsWon", "EqualTo", "<booleanValue>true</booleanValue>")), "--+--+"},
		"a list of which one will do":          {filters("or", filter("StageName", "EqualTo", won)+filter("Amount", "EqualTo", "<numberValue>7.0</numberValue>")), "--+---"},
		"a list of what it must not be":        {filters("and", filter("StageName", "NotEqualTo", won)), "+---+-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, token := sandbox(t)
			s.turn(func(w *Switches) { w.OutboundPaused = true })
			if d := s.deploy(token, rollback, tc.files); !d.Result.Success {
				t.Fatalf("%+v", d.Result.Details)
			}
			got := ""
			count := func() {
				t.Helper()
				before := len(got) - strings.Count(got, "-")
				if s.OutboundCounts().Queued > before {
					got += "+"
				} else {
					got += "-"
				}
			}
			deal := s.deal(token, newDeal)
			count()
			for _, change := range []string{`{"Name":"Other"}`, `{"StageName":"Closed Won"}`, `{"Amount":7}`, `{"StageName":"Closed Lost"}`, `{"StageName":"Closed Won"}`} {
				s.change(token, deal, change)
				count()
			}
			if got != tc.want {
				t.Errorf("told %s, want %s", got, tc.want)
			}
		})
	}
}
