package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/referralbridge/referralbridge/internal/local"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/oidc"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// Personal data that is like nothing else, so that a search for it finds it and nothing else.
const (
	contactFirst  = "Quillfeather"
	contactLast   = "Marrowby"
	contactDomain = "@quillmarrow.example"
	contactPhone  = "+1555019"
	personName    = "Tamsin Oakenreed"
	personEmail   = "tamsin@oakenreed.example"
	notifyEmail   = "imports@oakenreed.example"
	stray         = "stray-Wyrmhollow-0123456789" // what a stranger puts into addresses and forms
	ownKey        = "3MVG9.Hazelmere.Own.App.0123456789"
	ownSecret     = "own-Hazelmere-0123456789"
	wrongToken    = "wrong-Thornbarrow-0123456789"
)

// watched is a world of which everything is seen that goes in and out.
type watched struct {
	*haystack
	world   *world.World
	console string // where to go instead of the console's own address
	fronts  []*http.Server
}

// watch starts a world with so many contacts, in front of whose console and org somebody writes along.
func watch(ctx context.Context, root string, contacts int) (*watched, error) {
	w := &watched{haystack: newHaystack()}
	var running atomic.Pointer[world.World]
	console, err := w.serve(func(rw http.ResponseWriter, r *http.Request) { w.visit(running.Load(), rw, r) })
	if err != nil {
		return nil, err
	}
	origin, err := w.serve(func(rw http.ResponseWriter, r *http.Request) { w.ask(running.Load(), rw, r) })
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.console = console
	options := world.Options{
		Root:   root,
		People: []oidc.Person{{Name: personName, Email: personEmail}},
		Salesforce: salesforce.Options{
			Origin: origin, ClientSecret: "canary-consumer-secret-4f1c", Contacts: markedContacts(contacts),
		},
		ReferralHero: referralhero.Options{
			Lists: []referralhero.List{{Name: campaign, URL: "https://www.example.com/join"}}, Faults: w.heroFaults(),
		},
		AWS: aws.Options{Watch: w.request},
		Stack: local.Options{
			Log: w.at(logs), Parameters: map[string]string{"BaseUrl": console}, Visibilities: map[string]time.Duration{"Imports": 2 * time.Second},
			Timeouts:  map[string]time.Duration{worker: 2 * time.Second},
			Schedules: map[string]time.Duration{"ScheduleFunction": time.Second},
		},
	}
	w.look("client secret", options.Salesforce.ClientSecret, org, vault)
	for text, what := range map[string]string{
		contactLast: "contact's name", contactFirst: "contact's first name", contactDomain: "contact's address", contactPhone: "contact's address",
	} {
		w.look(what, text, org, hero)
	}
	w.look("person's name", personName, answers, rows, mails)
	w.look("person's e-mail", personEmail, answers, rows)
	w.look("address for mails", notifyEmail, answers, rows, mails)
	w.look("stranger's words", stray, org)
	w.look("own app's key", ownKey, org, calls, carriers)
	w.look("own app's secret", ownSecret, org, calls)
	w.look("wrong token", wrongToken, hero)
	if w.world, err = world.Start(ctx, options); err != nil {
		return nil, errors.Join(err, w.close())
	}
	running.Store(w.world)
	w.look("API token", w.world.Hero.Token(), hero)
	return w, w.lookForKeys(ctx)
}

// close ends everything. What was seen stays.
func (w *watched) close() error {
	var err error
	if w.world != nil {
		err = w.world.Close()
	}
	for _, front := range w.fronts {
		err = errors.Join(err, front.Close())
	}
	return err
}

func (w *watched) serve(answer http.HandlerFunc) (string, error) {
	listener, err := world.Listen("")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: answer, ReadHeaderTimeout: 10 * time.Second}
	w.fronts = append(w.fronts, server)
	go func() { _ = server.Serve(listener) }() // ends at close
	return "http://" + listener.Addr().String(), nil
}

// markedContacts are people, some of whom share an address, have none, or one that is none.
func markedContacts(n int) []salesforce.Contact {
	all := make([]salesforce.Contact, n)
	for i := range all {
		all[i] = salesforce.Contact{
			FirstName: contactFirst, LastName: fmt.Sprint(contactLast, i), Phone: fmt.Sprintf("%s%04d", contactPhone, i),
			Email: fmt.Sprintf("c%d%s", i, contactDomain),
		}
		switch i % 10 {
		case 3:
			all[i].Email = fmt.Sprintf("no address %d%s", i, contactDomain)
		case 5:
			all[i].Email = ""
		case 7:
			all[i].Email = all[i-1].Email
		}
	}
	return all
}

// heroFaults writes along what ReferralHero is told, and has some of it go wrong.
func (w *watched) heroFaults() func(*http.Request) *referralhero.Fault {
	var n atomic.Int32
	return func(r *http.Request) *referralhero.Fault {
		body, _ := io.ReadAll(r.Body) // what is there of it
		w.add(hero, []byte(r.URL.RequestURI()+"\n"+string(body)+"\n"+fmt.Sprint(r.Header)))
		if !strings.Contains(r.URL.Path, "/subscribers") {
			return nil
		}
		switch n.Add(1) % 12 {
		case 3:
			return &referralhero.Fault{Kind: referralhero.Broken}
		case 6:
			return &referralhero.Fault{Kind: referralhero.Cut}
		case 9:
			return &referralhero.Fault{Kind: referralhero.Refuse, Code: "invalid_parameters"}
		default:
			return nil
		}
	}
}

// request writes along what functions ask of AWS.
func (w *watched) request(service, _ string, body []byte) {
	places := map[string]place{"dynamodb": rows, "sqs": messages, "secretsmanager": vault, "ses": mails, "lambda": calls}
	w.add(places[service], body)
}

// ask answers for the org, and writes along. Whatever stands for a grant is looked for from now on.
func (w *watched) ask(running *world.World, rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Del("Accept-Encoding")
	r.Header.Del("Cookie") // a browser tells the console's here too: cookies do not know ports
	recorder := httptest.NewRecorder()
	running.Org.ServeHTTP(recorder, r)
	w.add(org, []byte(r.URL.RequestURI()+"\n"+string(body)+"\n"+fmt.Sprint(r.Header, recorder.Header())+"\n"+recorder.Body.String()))

	if form, err := url.ParseQuery(string(body)); err == nil && strings.HasPrefix(r.URL.Path, "/services/oauth2/token") {
		w.look("code", form.Get("code"), org, calls)
		w.look("verifier", form.Get("code_verifier"), org, calls)
		w.look("refresh token", form.Get("refresh_token"), org)
		var answer map[string]string
		if json.Unmarshal(recorder.Body.Bytes(), &answer) == nil {
			w.look("access token", answer["access_token"], org)
			w.look("refresh token", answer["refresh_token"], org)
		}
	}
	if to, err := url.Parse(recorder.Header().Get("Location")); err == nil {
		w.look("code", to.Query().Get("code"), org, calls)
		w.look("state", to.Query().Get("state"), org, carriers)
	}
	for name, values := range recorder.Header() {
		rw.Header()[name] = values
	}
	rw.WriteHeader(recorder.Code)
	_, _ = rw.Write(recorder.Body.Bytes())
}

// visit lets the console answer, and writes along.
func (w *watched) visit(running *world.World, rw http.ResponseWriter, r *http.Request) {
	target, err := url.Parse(running.Stack.URL)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	if query := r.URL.Query(); r.URL.Path == "/sign-in/callback" && query.Get("code") != stray {
		w.look("sign-in's code", query.Get("code"))
		w.look("sign-in's state", query.Get("state"), carriers)
	}
	proxy := httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host // forms are checked against it
			p.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(response *http.Response) error {
			body, err := io.ReadAll(response.Body)
			if err != nil {
				return err
			}
			response.Body = io.NopCloser(bytes.NewReader(body))
			header := response.Header.Clone()
			for _, cookie := range response.Cookies() {
				if len(cookie.Value) >= 32 {
					w.look("cookie", cookie.Value, carriers)
				}
			}
			w.add(carriers, []byte(strings.Join(header["Set-Cookie"], "\n")+"\n"+header.Get("Location")))
			header.Del("Set-Cookie")
			header.Del("Location")
			w.add(answers, []byte(fmt.Sprint(header)+"\n"+string(body)))
			return nil
		},
	}
	proxy.ServeHTTP(rw, r)
}

// lookForKeys looks for what is in the secrets.
func (w *watched) lookForKeys(ctx context.Context) error {
	cloud, err := cloudOf(ctx, w.world, local.Operator)
	if err != nil {
		return err
	}
	manager := secretsmanager.NewFromConfig(cloud)
	for _, id := range w.world.Stack.Model.Secrets {
		name := w.world.Stack.Ref(id)
		secret, err := manager.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
		if err != nil {
			return err
		}
		var document map[string]any
		if err := json.Unmarshal([]byte(*secret.SecretString), &document); err != nil {
			return fmt.Errorf("secret %s: %w", id, err)
		}
		for name, value := range document {
			switch value := value.(type) {
			case string:
				w.look("secret "+name, value, vault, org)
			case map[string]any:
				for _, key := range value {
					w.look("secret "+name, fmt.Sprint(key), vault)
				}
			}
		}
	}
	return nil
}
