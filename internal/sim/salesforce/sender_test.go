package salesforce

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

const ack = `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>` +
	`<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>`

// told is a message as its receiver reads it.
type told struct {
	Organization  string  `xml:"Body>notifications>OrganizationId"`
	Action        string  `xml:"Body>notifications>ActionId"`
	Session       *string `xml:"Body>notifications>SessionId"`
	Enterprise    string  `xml:"Body>notifications>EnterpriseUrl"`
	Notifications []struct {
		ID     string `xml:"Id"`
		Record struct {
			Type   string `xml:"http://www.w3.org/2001/XMLSchema-instance type,attr"`
			ID     string `xml:"urn:sobject.enterprise.soap.sforce.com Id"`
			Stage  string `xml:"urn:sobject.enterprise.soap.sforce.com StageName"`
			Amount string `xml:"urn:sobject.enterprise.soap.sforce.com Amount"`
		} `xml:"sObject"`
	} `xml:"Body>notifications>Notification"`
	raw    string
	header http.Header
	at     time.Time
}

// receiver keeps what it is told, and acknowledges it unless answer says otherwise.
type receiver struct {
	answer func(n int, w http.ResponseWriter, r *http.Request) bool // n from 1; true: it has answered

	mu   sync.Mutex
	told []told
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	raw, _ := io.ReadAll(request.Body)
	one := told{raw: string(raw), header: request.Header, at: time.Now()}
	_ = xml.Unmarshal(raw, &one) // shows as an empty one
	r.mu.Lock()
	r.told = append(r.told, one)
	n := len(r.told)
	r.mu.Unlock()
	if r.answer == nil || !r.answer(n, w, request) {
		w.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(w, ack)
	}
}

// RoundTrip answers without a wire, for a bubble. A status of 0 is no answer.
func (r *receiver) RoundTrip(request *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, request)
	if w.Code == http.StatusTeapot {
		return nil, io.ErrUnexpectedEOF
	}
	return w.Result(), nil
}

func (r *receiver) all() []told {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
}

// stages are those that the receiver was told of, in order.
func (r *receiver) stages() string {
	var list []string
	for _, one := range r.all() {
		for _, n := range one.Notifications {
			list = append(list, n.Record.Stage)
		}
	}
	return strings.Join(list, ", ")
}

// telling is a sandbox that tells a receiver of opportunities.
func telling(t *testing.T, r *receiver) (s *site, token string) {
	t.Helper()
	s, token = sandbox(t)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	if d := s.deploy(token, rollback, files(server.URL+"/hook")); !d.Result.Success {
		t.Fatalf("%+v", d.Result.Details)
	}
	return s, token
}

func (s *site) idle() {
	s.t.Helper()
	if err := s.Delivered(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

const newDeal = `{"Name":"Deal","StageName":"Prospecting","CloseDate":"2026-12-31","Amount":1250}`

func (s *site) deal(token, body string) string {
	s.t.Helper()
	a := s.api(token, "POST", data+"/sobjects/Opportunity", body)
	if a.status != http.StatusCreated {
		s.t.Fatalf("%d %s", a.status, a.body)
	}
	return decode[struct{ ID string }](s.t, a.body).ID
}

func (s *site) change(token, deal, body string) {
	s.t.Helper()
	if a := s.api(token, "PATCH", data+"/sobjects/Opportunity/"+deal, body); a.status != http.StatusNoContent {
		s.t.Fatalf("%d %s", a.status, a.body)
	}
}

func TestMessageOnTheWire(t *testing.T) {
	t.Parallel()
	r := &receiver{}
	s, token := telling(t, r)
	deal := s.deal(token, `{"Name":"A & B <\"Ü\">","StageName":"Closed Won","CloseDate":"2026-12-31","Amount":12500000}`)
	s.idle()
	all := r.all()
	if len(all) != 1 {
		t.Fatalf("%d messages", len(all))
	}
	got := all[0]
	message := rowsOf[struct{ ID string }](t, s.tooling(token, "SELECT Id FROM WorkflowOutboundMessage"))[0].ID
	want := `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>00D5g000004AbCdEAK</OrganizationId>
   <ActionId>` + message + `</ActionId>
   <SessionId xsi:nil="true"/>
   <EnterpriseUrl>https://simulated.my.salesforce.com/services/Soap/c/66.0/00D5g000004AbCd</EnterpriseUrl>
   <PartnerUrl>https://simulated.my.salesforce.com/services/Soap/u/66.0/00D5g000004AbCd</PartnerUrl>
   <Notification>
    <Id>` + got.Notifications[0].ID + `</Id>
    <sObject xsi:type="sf:Opportunity" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
     <sf:Id>` + deal + `</sf:Id>
     <sf:Amount>1.25E7</sf:Amount>
     <sf:CreatedDate>2026-11-03T10:15:30.000Z</sf:CreatedDate>
     <sf:IsWon>true</sf:IsWon>
     <sf:LastModifiedDate>2026-11-03T10:15:30.000Z</sf:LastModifiedDate>
     <sf:Name>A &amp; B &lt;&#34;Ü&#34;&gt;</sf:Name>
     <sf:StageName>Closed Won</sf:StageName>
    </sObject>
   </Notification>
  </notifications>
 </soapenv:Body>
</soapenv:Envelope>
`
	if got.raw != want {
		t.Errorf("got %s\nwant %s", got.raw, want)
	}
	if kind := got.header.Get("Content-Type"); kind != "text/xml; charset=UTF-8" || got.header.Get("SOAPAction") != `""` {
		t.Errorf("headers %v", got.header)
	}
	if !strings.HasPrefix(got.Notifications[0].ID, "04l") || !strings.HasPrefix(message, "04k") {
		t.Errorf("ids %s, %s", got.Notifications[0].ID, message)
	}
}

func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		does func(s *site, token, deal string)
		want string // stages that are told, after that of the new opportunity
	}{
		"another stage":  {func(s *site, token, deal string) { s.change(token, deal, `{"StageName":"Closed Won"}`) }, "Closed Won"},
		"another amount": {func(s *site, token, deal string) { s.change(token, deal, `{"Amount":3}`) }, "Prospecting"},
		"another name":   {func(s *site, token, deal string) { s.change(token, deal, `{"Name":"Other"}`) }, ""},
		"the same":       {func(s *site, token, deal string) { s.change(token, deal, `{"StageName":"Prospecting"}`) }, ""},
		"by hand": {func(s *site, _, deal string) {
			s.form("/opportunities/"+deal, "Name", "Deal", "StageName", "Qualification", "CloseDate", "2026-12-31")
		}, "Qualification"},
		"in a collection": {func(s *site, token, deal string) {
			s.api(token, "PATCH", data+"/composite/sobjects", `{"records":[{"attributes":{"type":"Opportunity"},"Id":"`+deal+`","StageName":"Closed Won"}]}`)
		}, "Closed Won"},
		"in a collection that is taken back": {func(s *site, token, deal string) {
			s.api(token, "PATCH", data+"/composite/sobjects", `{"allOrNone":true,"records":[{"attributes":{"type":"Opportunity"},"Id":"`+deal+`","StageName":"Closed Won"},`+
				`{"attributes":{"type":"Opportunity"},"Id":"`+deal+`","StageName":"None such"}]}`)
		}, ""},
		"in one that is taken back in part": {func(s *site, token, deal string) {
			s.api(token, "PATCH", data+"/composite/sobjects", `{"allOrNone":false,"records":[{"attributes":{"type":"Opportunity"},"Id":"`+deal+`","StageName":"Closed Won"},`+
				`{"attributes":{"type":"Opportunity"},"Id":"`+deal+`","StageName":"None such"}]}`)
		}, "Closed Won"},
		"in a composite that fails": {func(s *site, token, deal string) {
			s.api(token, "POST", data+"/composite", `{"allOrNone":true,"compositeRequest":[{"method":"PATCH","url":"`+data+`/sobjects/Opportunity/`+deal+`","referenceId":"a","body":{"StageName":"Closed Won"}},`+
				`{"method":"GET","url":"`+data+`/sobjects/Opportunity/0065g0000000zzz","referenceId":"b"}]}`)
		}, ""},
		"deleted": {func(s *site, token, deal string) {
			s.api(token, "DELETE", data+"/sobjects/Opportunity/"+deal, "")
		}, ""},
		"refused": {func(s *site, token, deal string) {
			s.api(token, "PATCH", data+"/sobjects/Opportunity/"+deal, `{"StageName":"None such"}`)
		}, ""},
		"a role": {func(s *site, token, deal string) {
			s.api(token, "POST", data+"/sobjects/OpportunityContactRole", `{"OpportunityId":"`+deal+`","ContactId":"0035g00000000Aa","IsPrimary":true}`)
		}, ""},
		"switched off": {func(s *site, token, deal string) {
			if err := s.Activate("RH_Opportunity_Stage", 0); err != nil {
				s.t.Fatal(err)
			}
			s.change(token, deal, `{"StageName":"Closed Won"}`)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &receiver{}
			s, token := telling(t, r)
			deal := s.deal(token, newDeal)
			s.idle()
			tc.does(s, token, deal)
			s.idle()
			if got, want := r.stages(), strings.TrimSuffix("Prospecting, "+tc.want, ", "); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		})
	}
}

func TestBulkLoadsAreTold(t *testing.T) {
	t.Parallel()
	r := &receiver{}
	s, token := telling(t, r)
	job := decode[struct{ ID string }](t, s.api(token, "POST", data+"/jobs/ingest", `{"object":"Opportunity","operation":"insert","contentType":"CSV","lineEnding":"LF"}`).body).ID
	var csv strings.Builder
	csv.WriteString("Name,StageName,CloseDate\n")
	for n := range 250 {
		fmt.Fprintf(&csv, "Deal %d,Prospecting,2026-12-31\n", n)
	}
	put := s.request("PUT", data+"/jobs/ingest/"+job+"/batches", strings.NewReader(csv.String()))
	put.Header.Set("Authorization", "Bearer "+token)
	put.Header.Set("Content-Type", "text/csv")
	s.do(put)
	s.api(token, "PATCH", data+"/jobs/ingest/"+job, `{"state":"UploadComplete"}`)
	if a := s.api(token, "GET", data+"/jobs/ingest/"+job, ""); !strings.Contains(a.body, "JobComplete") {
		t.Fatal(a.body)
	}
	s.idle()
	seen := map[string]bool{}
	for _, one := range r.all() {
		if len(one.Notifications) > mostInMessage {
			t.Errorf("%d notifications in a message", len(one.Notifications))
		}
		for _, n := range one.Notifications {
			seen[n.Record.ID] = true
		}
	}
	if len(seen) != 250 {
		t.Errorf("told of %d opportunities, want 250", len(seen))
	}
}

func TestOnlyAnEnvelopeThatSaysSoAcknowledges(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer string
		want   bool
	}{
		"as documented":         {ack, true},
		"with a declaration":    {`<?xml version="1.0"?>` + ack + "\n", true},
		"1":                     {strings.Replace(ack, "true", "1", 1), true},
		"with other prefixes":   {`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><n:notificationsResponse xmlns:n="http://soap.sforce.com/2005/09/outbound"><n:Ack>true</n:Ack></n:notificationsResponse></e:Body></e:Envelope>`, true},
		"no":                    {strings.Replace(ack, "true", "false", 1), false},
		"yes":                   {strings.Replace(ack, "true", "yes", 1), false},
		"nothing":               {"", false},
		"no envelope":           {"<Ack>true</Ack>", false},
		"of another namespace":  {strings.Replace(ack, "2005/09/outbound", "2006/09/outbound", 1), false},
		"without a namespace":   {strings.Replace(ack, ` xmlns="http://soap.sforce.com/2005/09/outbound"`, "", 1), false},
		"with something behind": {ack + "<br/>", false},
		"with text behind":      {ack + "ok", false},
		"cut off":               {ack[:len(ack)-5], false},
		"JSON":                  {`{"Ack":true}`, false},
	} {
		if got := acknowledged([]byte(tc.answer)); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// bubble is an org in a bubble, where 24 hours pass while nobody does anything, with a receiver of what it tells.
func bubble(t *testing.T, r *receiver) *site {
	t.Helper()
	s := &site{t: t, Org: New(Options{Generated: 2, Transport: r})}
	t.Cleanup(s.Org.Close)
	s.SetSwitches(Switches{AppInstalled: true, DailyRequests: 1 << 30, Automation: Automation{Sandbox: true}})
	d, err := s.enqueueNow(zipped(t, files(hook)))
	if err != nil || d.Outcome != deploySucceeded {
		t.Fatalf("%v %+v", err, d)
	}
	return s
}

// enqueueNow deploys a package without a wire.
func (o *Org) enqueueNow(archive []byte) (*deployment, error) {
	o.mu.Lock()
	d, err := o.enqueue(o.admin, deployOptions{RollbackOnError: true}, archive)
	o.mu.Unlock()
	o.land()
	return d, err
}

// save creates an opportunity, or changes one, without a wire.
func (o *Org) save(of string, fields map[string]any) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.table("Opportunity")
	if of == "" {
		created, err := o.create(o.visitor(), t, fields)
		return string(created), err
	}
	return of, o.update(o.visitor(), t, t.find(id(of)), fields)
}

func (s *site) saved(of string, fields map[string]any) string {
	s.t.Helper()
	of, err := s.save(of, fields)
	if err != nil {
		s.t.Fatal(err)
	}
	return of
}

func deal(stage string) map[string]any {
	return map[string]any{"Name": "Deal", "StageName": stage, "CloseDate": "2026-12-31"}
}

func status(code int) func(int, http.ResponseWriter, *http.Request) bool {
	return func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(code); return true }
}

func TestRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: status(503)}
		s := bubble(t, r)
		begin := time.Now()
		s.saved("", deal("Prospecting"))
		s.idle()
		if took := time.Since(begin); took != notificationAge {
			t.Errorf("given up after %s", took)
		}
		var pauses []string
		all := r.all()
		for i := range all[1:] {
			pauses = append(pauses, all[i+1].at.Sub(all[i].at).String())
		}
		if got := strings.Join(pauses[:10], " "); got != "30s 1m0s 2m0s 4m0s 8m0s 16m0s 32m0s 1h4m0s 2h0m0s 2h0m0s" {
			t.Errorf("pauses %s", got)
		}
		_, done := s.Notifications()
		if len(done) != 1 || done[0].State != NotificationDropped || done[0].Tries != len(all) || done[0].Reason != "status 503" {
			t.Errorf("%+v after %d posts", done, len(all))
		}
		if got := s.OutboundCounts(); got != (OutboundCounts{Queued: 1, Dropped: 1, Posts: len(all), Failed: len(all)}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestValuesAreThoseWhenItIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				w.WriteHeader(500)
			}
			return n == 1
		}}
		s := bubble(t, r)
		of := s.saved("", deal("Prospecting"))
		synctest.Wait()
		s.saved(of, map[string]any{"StageName": "Qualification"})
		synctest.Wait()
		s.saved(of, map[string]any{"StageName": "Closed Won"})
		s.idle()
		if got := r.stages(); got != "Prospecting, Qualification, Closed Won, Closed Won" {
			t.Errorf("told %s", got)
		}
	})
}

func TestSwitchesOfTheSender(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change   func(*Switches)
		answer   func(n int, w http.ResponseWriter, r *http.Request) bool
		posts    int // for two opportunities
		distinct int // notifications
		failed   int
		check    func(t *testing.T, all []told, begin time.Time)
	}{
		"nothing":                     {posts: 2, distinct: 2},
		"every second one twice":      {change: func(w *Switches) { w.OutboundDuplicate = 2 }, posts: 3, distinct: 2},
		"all twice":                   {change: func(w *Switches) { w.OutboundDuplicate = 1 }, posts: 4, distinct: 2},
		"every second answer is lost": {change: func(w *Switches) { w.OutboundLoseAnswer = 2 }, posts: 3, distinct: 2, failed: 1},
		"a sandbox that was made of the org": {change: func(w *Switches) { w.OutboundClonedOrgID = "00D000000000001" }, posts: 2, distinct: 2, check: func(t *testing.T, all []told, _ time.Time) {
			if all[0].Organization != "00D000000000001EAA" || !strings.HasSuffix(all[0].Enterprise, "/00D000000000001") {
				t.Errorf("from %s, %s", all[0].Organization, all[0].Enterprise)
			}
		}},
		"later": {change: func(w *Switches) { w.OutboundDelay = Duration(time.Minute) }, posts: 1, distinct: 2, check: func(t *testing.T, all []told, begin time.Time) {
			if all[0].at.Sub(begin) != time.Minute {
				t.Errorf("after %s", all[0].at.Sub(begin))
			}
		}},
		"a receiver that is slow": {change: func(w *Switches) { w.OutboundTimeout = Duration(5 * time.Second) }, answer: func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				<-r.Context().Done()
				w.WriteHeader(http.StatusTeapot)
			}
			return n == 1
		}, posts: 3, distinct: 2, failed: 1},
		"a receiver that is elsewhere now": {answer: func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				w.Header().Set("Location", "https://elsewhere.example.com/")
				w.WriteHeader(http.StatusTemporaryRedirect)
			}
			return n == 1
		}, posts: 3, distinct: 2, failed: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{answer: tc.answer}
				s := bubble(t, r)
				if tc.change != nil {
					s.turn(tc.change)
				}
				begin := time.Now()
				s.saved("", deal("Prospecting"))
				synctest.Wait()
				s.saved("", deal("Prospecting"))
				s.idle()
				all := r.all()
				distinct := map[string]bool{}
				for _, one := range all {
					for _, n := range one.Notifications {
						distinct[n.ID] = true
					}
				}
				want := OutboundCounts{Queued: 2, Delivered: 2, Posts: tc.posts, Failed: tc.failed}
				if got := s.OutboundCounts(); len(distinct) != tc.distinct || got != want {
					t.Errorf("%d notifications, %+v, want %d, %+v", len(distinct), got, tc.distinct, want)
				}
				if tc.check != nil {
					tc.check(t, all, begin)
				}
			})
		})
	}
}

func TestNotificationsOvertakeEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := bubble(t, r)
		s.turn(func(w *Switches) { w.OutboundSpread = Duration(time.Hour) })
		for range 20 {
			s.saved("", deal("Prospecting"))
		}
		s.idle()
		var order []string
		for _, one := range r.all() {
			for _, n := range one.Notifications {
				order = append(order, n.ID)
			}
		}
		if len(order) != 20 || slices.IsSorted(order) {
			t.Errorf("%v", order)
		}
	})
}

func TestPausedQueueIsHandled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := bubble(t, r)
		s.turn(func(w *Switches) { w.OutboundPaused = true })
		for range 250 {
			s.saved("", deal("Prospecting"))
		}
		synctest.Wait()
		waiting, _ := s.Notifications()
		if len(r.all()) != 0 || len(waiting) != 250 {
			t.Fatalf("%d messages, %d waiting", len(r.all()), len(waiting))
		}
		if err := s.DeleteNotification(waiting[7].ID); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteNotification(waiting[7].ID); err == nil {
			t.Error("deleted twice")
		}
		s.turn(func(w *Switches) { w.OutboundPaused = false })
		s.idle()
		var sizes []int
		for _, one := range r.all() {
			sizes = append(sizes, len(one.Notifications))
		}
		slices.Sort(sizes)
		if fmt.Sprint(sizes) != "[49 100 100]" {
			t.Errorf("messages of %v", sizes)
		}
		if got := s.OutboundCounts(); got != (OutboundCounts{Queued: 250, Delivered: 249, Deleted: 1, Posts: 3}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestInactiveUserSendsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := bubble(t, r)
		if err := s.SetActive(administrator, false); err != nil {
			t.Fatal(err)
		}
		s.saved("", deal("Prospecting"))
		synctest.Wait()
		waiting, _ := s.Notifications()
		if len(r.all()) != 0 || len(waiting) != 1 || !strings.Contains(waiting[0].Reason, "not active") {
			t.Fatalf("%d messages, %+v", len(r.all()), waiting)
		}
		if err := s.SetActive(administrator, true); err != nil {
			t.Fatal(err)
		}
		if err := s.Requeue(""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.stages(); got != "Prospecting" {
			t.Errorf("told %q", got)
		}
	})
}

func TestOnlyVisibleFieldsAreSent(t *testing.T) {
	t.Parallel()
	r := &receiver{}
	s, token := telling(t, r)
	if err := s.SetVisible(administrator, "Opportunity", "Amount", false); err != nil {
		t.Fatal(err)
	}
	s.saved("", map[string]any{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-12-31", "AccountId": nil})
	s.idle()
	if raw := r.all()[0].raw; strings.Contains(raw, "Amount") || strings.Contains(raw, "AccountId") || !strings.Contains(raw, "<sf:IsWon>false</sf:IsWon>") {
		t.Errorf("%s", raw)
	}
	_ = token
}

func TestMessageThatIsGoneTakesItsQueueAlong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: status(500)}
		s := bubble(t, r)
		s.saved("", deal("Prospecting"))
		synctest.Wait()
		s.Org.mu.Lock()
		err := s.attempt(func() error {
			s.activate(s.admin, 0, 0)
			if err := s.deleteVersion(s.admin, 0); err != nil {
				return err
			}
			return s.deleteMessage(s.admin, 0)
		})
		s.Org.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		s.idle()
		if got := s.OutboundCounts(); got.Deleted != 1 || got.Dropped != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestQueueIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: status(500)}
		s := bubble(t, r)
		s.saved("", deal("Closed Won"))
		synctest.Wait()
		kept, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		s.Org.Close()
		later := &receiver{}
		other := &site{t: t, Org: New(Options{Generated: -1, Transport: later})}
		defer other.Org.Close()
		if err := other.Restore(kept); err != nil {
			t.Fatal(err)
		}
		other.idle()
		if got := later.stages(); got != "Closed Won" {
			t.Errorf("told %q", got)
		}
		if a, b := r.all()[0].Notifications[0].ID, later.all()[0].Notifications[0].ID; a != b {
			t.Errorf("notification %s became %s", a, b)
		}
		other.saved("", deal("Prospecting"))
		other.idle()
		if got := later.all(); len(got) != 2 || got[1].Notifications[0].ID == got[0].Notifications[0].ID {
			t.Errorf("the restored flow tells %+v", got)
		}
		if len(other.Posts()) != 3 {
			t.Errorf("%d posts are known, want 3", len(other.Posts()))
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	r := &receiver{answer: func(_ int, _ http.ResponseWriter, request *http.Request) bool {
		hold <- struct{}{}
		<-request.Context().Done()
		return true
	}}
	s, token := telling(t, r)
	s.deal(token, newDeal)
	<-hold
	s.Org.Close()
	s.deal(token, newDeal)
	if waiting, _ := s.Notifications(); len(waiting) != 2 {
		t.Errorf("%d wait", len(waiting))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Delivered(ctx); err == nil {
		t.Error("all is delivered")
	}
}

// story is what happens to an org: changes, hours that pass, flows that are switched off and on, restarts, switches of the
// sender, and what its receiver answers.
type story struct {
	duplicate, lose int
	spread          time.Duration
	answers         []int
	steps           []event
}

type event struct {
	does  int
	stage string
	which int // of the opportunities so far; 0: a new one
	pause time.Duration
}

// TestEveryChangeIsToldOrCounted lets anything happen. In the end every change was told, by at least one message that was
// acknowledged, or was dropped after a day and counted; whatever was told was true when it was; and nothing was told of
// changes while the flow was off.
func TestEveryChangeIsToldOrCounted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		one := story{duplicate: rapid.IntRange(0, 3).Draw(rt, "duplicate"), lose: rapid.IntRange(0, 3).Draw(rt, "lose"),
			spread:  time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(rt, "spread")),
			answers: rapid.SliceOfN(rapid.IntRange(0, 9), 1, 20).Draw(rt, "answers")}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			one.steps = append(one.steps, event{does: rapid.IntRange(0, 5).Draw(rt, "does"), which: rapid.IntRange(0, 4).Draw(rt, "which"),
				stage: rapid.SampledFrom([]string{"Prospecting", "Qualification", "Closed Won", "Closed Lost"}).Draw(rt, "stage"),
				pause: time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(rt, "pause"))})
		}
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = one.play(t) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// play tells what was wrong, if anything was.
func (one story) play(t *testing.T) (wrong string) {
	r := &receiver{}
	s := bubble(t, r)
	defer s.Org.Close()
	s.turn(func(w *Switches) {
		w.OutboundDuplicate, w.OutboundLoseAnswer, w.OutboundSpread = one.duplicate, one.lose, Duration(one.spread)
	})
	var mu sync.Mutex
	stages := map[string]string{} // as they are now, by opportunity
	acknowledged := map[string]bool{}
	r.answer = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		got := r.all()[n-1]
		for _, told := range got.Notifications {
			if told.Record.Stage != stages[told.Record.ID] {
				wrong = fmt.Sprintf("%s is %s and was told as %s", told.Record.ID, stages[told.Record.ID], told.Record.Stage)
			}
		}
		switch one.answers[n%len(one.answers)] {
		case 0, 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		case 2:
			w.WriteHeader(http.StatusTeapot) // no answer
			return true
		case 3:
			_, _ = io.WriteString(w, strings.Replace(ack, "true", "false", 1))
			return true
		}
		for _, told := range got.Notifications {
			acknowledged[told.ID] = true
		}
		return false
	}
	active, expected := true, 0
	var deals []string
	for _, next := range one.steps {
		switch next.does {
		case 0, 1, 2:
			of := ""
			if next.which > 0 && len(deals) > 0 {
				of = deals[next.which%len(deals)]
			}
			mu.Lock() // nothing is told between the change and the note of it
			before := stages[of]
			of = s.saved(of, deal(next.stage))
			stages[of] = next.stage
			mu.Unlock()
			if before == "" {
				deals = append(deals, of)
			}
			if active && before != next.stage {
				expected++
			}
		case 3:
			time.Sleep(next.pause) // of the bubble, in which that takes no time
		case 4:
			active = !active
			if err := s.Activate("RH_Opportunity_Stage", boolInt(active)); err != nil {
				t.Fatal(err)
			}
		case 5:
			kept, err := s.Snapshot()
			if err == nil {
				err = s.Restore(kept)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // until the sender has nothing to do at this moment
	}
	s.idle()
	mu.Lock()
	defer mu.Unlock()
	if got := s.OutboundCounts(); wrong == "" && (got.Queued != expected || got.Delivered+got.Dropped != expected || got.Waiting != 0) {
		wrong = fmt.Sprintf("%d changes: %+v", expected, got)
	}
	_, done := s.Notifications()
	for _, n := range done {
		if n.State == NotificationDelivered && !acknowledged[n.ID] {
			wrong = n.ID + " is called delivered, and nobody has acknowledged it"
		}
	}
	return wrong
}
