package salesforce

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"
)

const mostDeployments = 100 // are remembered

// deployOptions are what a client says about a deployment.
type deployOptions struct {
	AllowMissingFiles bool     `json:"allowMissingFiles"`
	AutoUpdatePackage bool     `json:"autoUpdatePackage"`
	CheckOnly         bool     `json:"checkOnly"`
	IgnoreWarnings    bool     `json:"ignoreWarnings"`
	PerformRetrieve   bool     `json:"performRetrieve"`
	PurgeOnDelete     bool     `json:"purgeOnDelete"`
	RollbackOnError   bool     `json:"rollbackOnError"`
	RunTests          []string `json:"runTests"`
	SinglePackage     bool     `json:"singlePackage"`
	TestLevel         string   `json:"testLevel,omitempty"`
}

// The states of deployments.
const (
	deployPending    = "Pending"
	deployInProgress = "InProgress"
	deploySucceeded  = "Succeeded"
	deployPartial    = "SucceededPartial"
	deployFailed     = "Failed"
	deployCanceling  = "Canceling"
	deployCanceled   = "Canceled"
)

// deployment is a package on its way into the org. One is worked on at a time. It lands when its time is over, whether
// or not somebody looks.
type deployment struct {
	ID       id            `json:"id"`
	User     id            `json:"user"`
	Options  deployOptions `json:"options"`
	Zip      []byte        `json:"zip,omitempty"` // until it has landed
	Created  time.Time     `json:"created"`
	Begins   time.Time     `json:"begins"`
	Ends     time.Time     `json:"ends"`
	Outcome  string        `json:"outcome,omitempty"` // a state, once there is nothing left to do
	Canceler id            `json:"canceler,omitempty"`

	Components []componentResult `json:"components,omitempty"`
}

// componentResult says what became of a component, or of a file.
type componentResult struct {
	Changed     bool   `json:"changed"`
	Column      int    `json:"columnNumber,omitempty"`
	Type        string `json:"componentType"`
	Created     bool   `json:"created"`
	CreatedDate string `json:"createdDate"`
	Deleted     bool   `json:"deleted"`
	File        string `json:"fileName"`
	FullName    string `json:"fullName"`
	ID          id     `json:"id,omitempty"`
	Line        int    `json:"lineNumber,omitempty"`
	Problem     string `json:"problem,omitempty"`
	ProblemType string `json:"problemType,omitempty"`
	Success     bool   `json:"success"`
	Warning     bool   `json:"warning"`
}

// createDeployment is POST /metadata/deployRequest.
func (o *Org) createDeployment(w http.ResponseWriter, c call) error {
	options, zipped, err := readDeployment(w, c.Request)
	if err != nil {
		return err
	}
	o.mu.Lock()
	d, err := o.enqueue(c.user, options, zipped)
	var answer any
	if err == nil {
		answer = o.describeDeployment(d, deployPending, false)
	}
	o.mu.Unlock()
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusCreated, answer)
	return nil
}

// readDeployment reads a form of two parts: json, and the zip.
func readDeployment(w http.ResponseWriter, r *http.Request) (options deployOptions, zipped []byte, err error) {
	malformed := func(format string, args ...any) (deployOptions, []byte, error) {
		return deployOptions{}, nil, refuse(http.StatusBadRequest, "INVALID_MULTIPART_REQUEST", fmt.Sprintf(format, args...))
	}
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || parameters["boundary"] == "" {
		err := refuse(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content type not supported: "+r.Header.Get("Content-Type"))
		return deployOptions{}, nil, err
	}
	body := multipart.NewReader(http.MaxBytesReader(w, r.Body, largestPackage+largestRequest), parameters["boundary"])
	described := false
	for {
		part, err := body.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return malformed("%s", err)
		}
		content, err := io.ReadAll(io.LimitReader(part, largestPackage+1))
		switch {
		case err != nil:
			return malformed("%s", err)
		case len(content) > largestPackage:
			return deployOptions{}, nil, refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "Maximum size of request reached. Maximum size of request is 39 MB.")
		}
		switch kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); {
		case kind == "application/json" && !described:
			if options, err = readDeployOptions(content); err != nil {
				return deployOptions{}, nil, err
			}
			described = true
		case part.FileName() != "" && zipped == nil:
			zipped = content
		default:
			return malformed("unexpected part %q", part.FormName())
		}
	}
	if !described || len(zipped) == 0 {
		return malformed("a deployment has a part with deployOptions in JSON, and a file")
	}
	return options, zipped, nil
}

func readDeployOptions(text []byte) (deployOptions, error) {
	var in struct {
		Options *deployOptions `json:"deployOptions"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&in)
	if err == nil && in.Options == nil {
		err = errors.New("deployOptions is missing")
	}
	if err != nil {
		return deployOptions{}, refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", err.Error())
	}
	return *in.Options, nil
}

// enqueue takes a package in, to be worked on after the one before. The caller holds the lock for writing.
func (o *Org) enqueue(by id, options deployOptions, zipped []byte) (*deployment, error) {
	if err := o.mayDeploy(); err != nil {
		return nil, err
	}
	switch {
	case !o.switches.Sandbox && !options.RollbackOnError:
		return nil, refuse(http.StatusBadRequest, "INVALID_OPERATION", "rollbackOnError must be true for a deployment to a production org")
	case !o.switches.Sandbox && options.TestLevel == "NoTestRun":
		return nil, refuse(http.StatusBadRequest, "INVALID_OPERATION", "testLevel of NoTestRun cannot be used in production organizations")
	case len(options.RunTests) > 0:
		return nil, refuse(http.StatusBadRequest, "INVALID_OPERATION", "there are no tests here that could be run")
	}
	now := o.options.Now()
	takes := time.Duration(o.switches.DeployDelay)
	d := &deployment{ID: makeID("0Af", 1), User: by, Options: options, Zip: zipped, Created: now, Begins: now.Add(takes / 4)}
	if n := len(o.deployments); n > 0 {
		last := o.deployments[n-1]
		d.ID = last.ID.next()
		if last.Outcome == "" && last.Ends.After(d.Begins) {
			d.Begins = last.Ends
		}
	}
	d.Ends = d.Begins.Add(takes - takes/4)
	if len(o.deployments) == mostDeployments {
		o.deployments = slices.Delete(o.deployments, 0, 1)
	}
	o.deployments = append(o.deployments, d)
	o.landing.Store(true)
	return d, nil
}

// mayDeploy refuses who may not deploy metadata. The caller holds the lock.
func (o *Org) mayDeploy() error {
	missing := o.switches.MissingPermissions
	switch {
	case !o.switches.customizable():
		return refuse(http.StatusForbidden, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner")
	case missing.have("CustomizeApplication") || missing.have("ModifyMetadata") && missing.have("ModifyAllData"):
		return refuse(http.StatusForbidden, "INSUFFICIENT_ACCESS", "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions")
	}
	return nil
}

// land finishes the deployments whose time is over. Every request calls it first.
func (o *Org) land() {
	if !o.landing.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	waits := false
	for _, d := range o.deployments {
		if d.Outcome != "" {
			continue
		}
		if o.options.Now().Before(d.Ends) {
			waits = true
			continue
		}
		o.deploy(d)
	}
	o.landing.Store(waits)
}

// recall replaces the deployments by those of a snapshot. The caller holds the lock for writing.
func (o *Org) recall(list []deployment) {
	o.deployments = nil
	for _, d := range list {
		o.deployments = append(o.deployments, &d)
	}
	o.landing.Store(len(list) > 0)
}

// state is where a deployment is by now.
func (d *deployment) state(now time.Time) string {
	switch {
	case d.Outcome != "":
		return d.Outcome
	case now.Before(d.Begins):
		return deployPending
	}
	return deployInProgress
}

// deploy puts a package into the org, in whole or, if its options allow that, in part. The caller holds the lock for writing.
func (o *Org) deploy(d *deployment) {
	p := &unpacked{org: o, by: d.User}
	failed := errors.New("a component failed, or it was to be checked only")
	_ = o.attempt(func() error {
		p.apply(d.Zip, d.Options.AllowMissingFiles)
		made := slices.ContainsFunc(p.results, func(r componentResult) bool { return r.Success && r.Type != "" })
		switch {
		case p.failures == 0:
			d.Outcome = deploySucceeded
		case made && !d.Options.RollbackOnError:
			d.Outcome = deployPartial
		default:
			d.Outcome = deployFailed
			return failed
		}
		if d.Options.CheckOnly {
			return failed
		}
		return nil
	})
	d.Components, d.Zip = p.results, nil
}

// unpacked is a package while it is put into the org.
type unpacked struct {
	org      *Org
	by       id
	results  []componentResult
	failures int
}

// deployable are the types of components that this org takes, in the order in which they are made; where a type has
// its files, and how they end.
var deployable = []struct{ name, folder, suffix string }{
	{"WorkflowOutboundMessage", "workflows", ".workflow"},
	{"Flow", "flows", ".flow"},
}

// apply deletes and makes what a package says, and notes what became of each component.
func (p *unpacked) apply(zipped []byte, missing bool) {
	files, err := openPackage(zipped)
	if err != nil {
		p.fail(componentResult{}, err)
		return
	}
	listed, found := files["package.xml"]
	if !found {
		p.fail(componentResult{File: "package.xml", FullName: "package.xml"}, faulty("No package.xml found"))
		return
	}
	whole, err := readManifest(listed)
	if err != nil {
		p.fail(componentResult{File: "package.xml", FullName: "package.xml"}, err)
		return
	}
	p.note(componentResult{File: "package.xml", FullName: "package.xml"}, nil)
	for _, name := range []string{"destructiveChangesPre.xml", "destructiveChanges.xml"} {
		p.destroy(files, name)
	}
	p.create(files, whole, missing)
	p.destroy(files, "destructiveChangesPost.xml")
}

// note adds a result, which failed if there is an error.
func (p *unpacked) note(r componentResult, err error) {
	if err != nil {
		p.fail(r, err)
		return
	}
	r.Success, r.CreatedDate = true, wireDatetime(datetimeValue(p.org.now()))
	p.results = append(p.results, r)
}

func (p *unpacked) fail(r componentResult, err error) {
	r.Changed, r.Created, r.Deleted, r.ID = false, false, false, ""
	r.CreatedDate = wireDatetime(datetimeValue(p.org.now()))
	r.Problem, r.ProblemType = err.Error(), "Error"
	var refusal *apiError
	if errors.As(err, &refusal) {
		r.Problem = refusal.message
	}
	var at *problem
	if errors.As(err, &at) {
		r.Line, r.Column = at.line, at.column
	}
	p.failures++
	p.results = append(p.results, r)
}

// create makes the components that package.xml names and files hold.
func (p *unpacked) create(files map[string][]byte, listed manifest, missing bool) {
	for _, t := range listed {
		if !slices.ContainsFunc(deployable, func(of struct{ name, folder, suffix string }) bool { return of.name == t.Name }) {
			p.fail(componentResult{File: "package.xml", FullName: t.Name},
				faulty("Unknown type name '%s' specified in package.xml, or not one that this simulated org can deploy", t.Name))
		}
	}
	for _, name := range sortedNames(files) {
		folder, file := splitPath(name)
		known := slices.Contains([]string{"package.xml", "destructiveChanges.xml", "destructiveChangesPre.xml", "destructiveChangesPost.xml"}, name)
		for _, of := range deployable {
			known = known || folder == of.folder+"/" && strings.HasSuffix(file, of.suffix)
		}
		if !known {
			p.fail(componentResult{File: name, FullName: file}, faulty("Unknown folder or file name in package: %s", name))
		}
	}
	for _, of := range deployable {
		made := map[string]bool{}
		for _, name := range sortedNames(files) {
			folder, file := splitPath(name)
			stem, fits := strings.CutSuffix(file, of.suffix)
			if !fits || folder != of.folder+"/" {
				continue
			}
			if of.name == "Flow" {
				p.createFlow(name, stem, files[name], listed, made)
			} else {
				p.createMessages(name, stem, files[name], listed, made)
			}
		}
		for _, t := range listed {
			for _, member := range t.Members {
				if t.Name == of.name && member != "*" && !made[member] && !missing {
					p.fail(componentResult{Type: of.name, File: "package.xml", FullName: member},
						faulty("An object '%s' of type %s was named in package.xml, but was not found in zipped directory", member, of.name))
				}
			}
		}
	}
}

// splitPath parts a file's name from its folder, which keeps its slash.
func splitPath(name string) (folder, file string) {
	at := strings.LastIndexByte(name, '/') + 1
	return name[:at], name[at:]
}

func sortedNames(files map[string][]byte) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// createFlow makes a version of a flow of a file.
func (p *unpacked) createFlow(file, name string, content []byte, listed manifest, made map[string]bool) {
	r := componentResult{Type: "Flow", File: file, FullName: name}
	made[name] = true
	if !listed.names("Flow", name) {
		p.fail(r, faulty("Not in package.xml"))
		return
	}
	root, err := readElement(content)
	if err == nil && root.name != "Flow" {
		err = root.problem("Error parsing file: Element %s is not a Flow", root.name)
	}
	if err == nil {
		err = p.org.attempt(func() error {
			r.ID, r.Created, r.Changed, err = p.org.deployFlow(p.by, name, root)
			return err
		})
	}
	p.note(r, err)
}

// createMessages makes the outbound messages of a file that package.xml names; the others stay as they are.
func (p *unpacked) createMessages(file, object string, content []byte, listed manifest, made map[string]bool) {
	r := componentResult{Type: "WorkflowOutboundMessage", File: file, FullName: object}
	var in struct {
		Messages []outboundMessage `json:"outboundMessages"`
	}
	root, err := workflowShape.decode(content, &in)
	if err != nil {
		for _, member := range membersOf(listed, object) { // of which it is not known whether they are there
			made[member] = true
		}
		p.fail(r, err)
		return
	}
	for i, e := range slices.DeleteFunc(root.children, func(e *element) bool { return e.name != "outboundMessages" }) {
		r := componentResult{Type: "WorkflowOutboundMessage", File: file, FullName: object + "." + in.Messages[i].FullName}
		if !listed.names(r.Type, r.FullName) {
			continue
		}
		if made[r.FullName] {
			p.fail(r, e.problem("Duplicate fullName: %s", r.FullName))
			continue
		}
		made[r.FullName] = true
		err := p.org.attempt(func() (err error) {
			r.ID, r.Created, r.Changed, err = p.org.deployMessage(p.by, object, e)
			return err
		})
		p.note(r, err)
	}
}

// membersOf are the outbound messages of an object that a manifest names.
func membersOf(listed manifest, object string) []string {
	var members []string
	for _, t := range listed {
		for _, member := range t.Members {
			if t.Name == "WorkflowOutboundMessage" && strings.HasPrefix(member, object+".") {
				members = append(members, member)
			}
		}
	}
	return members
}

// destroy deletes what a manifest of that name says, if there is one: flows before the messages that they send.
func (p *unpacked) destroy(files map[string][]byte, name string) {
	content, found := files[name]
	if !found {
		return
	}
	listed, err := readManifest(content)
	if err != nil {
		p.fail(componentResult{File: name, FullName: name}, err)
		return
	}
	p.note(componentResult{File: name, FullName: name}, nil)
	for _, t := range listed {
		if t.Name != "Flow" && t.Name != "WorkflowOutboundMessage" {
			p.fail(componentResult{File: name, FullName: t.Name},
				faulty("Unknown type name '%s' specified in %s, or not one that this simulated org can delete", t.Name, name))
		}
	}
	for _, kind := range []string{"Flow", "WorkflowOutboundMessage"} {
		for _, t := range listed {
			for _, member := range t.Members {
				if t.Name == kind {
					r := componentResult{Type: kind, File: name, FullName: member, Deleted: true, Changed: true}
					p.note(r, p.org.attempt(func() error { return p.org.destroy(p.by, kind, member) }))
				}
			}
		}
	}
}

// destroy deletes an outbound message, a version of a flow, or a flow that has one version only. The caller holds the
// lock for writing.
func (o *Org) destroy(by id, kind, name string) error {
	none := refuse(400, "INVALID_CROSS_REFERENCE_KEY", "no "+kind+" named: "+name+" found")
	if kind == "WorkflowOutboundMessage" {
		at := o.table(kind).findFullName(name)
		if at < 0 {
			return none
		}
		return o.deleteMessage(by, at)
	}
	definitions, flows := o.table("FlowDefinition"), o.table("Flow")
	at := flows.findFullName(name)
	if definition := definitions.findFullName(name); at < 0 && definition >= 0 {
		list := o.flowVersions(definitions.rows[definition].id())
		if len(list) > 1 || flows.value(list[0], "Status") == flowActive {
			return refuse(400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "insufficient access rights on cross-reference id")
		}
		at = list[0]
	}
	switch {
	case at < 0:
		return none
	case flows.value(at, "Status") == flowActive:
		return refuse(400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "insufficient access rights on cross-reference id")
	}
	return o.deleteVersion(by, at)
}

// findDeployment finds the deployment with an id. The caller holds the lock.
func (o *Org) findDeployment(text string) (*deployment, error) {
	of, err := parseID(text)
	at := slices.IndexFunc(o.deployments, func(d *deployment) bool { return d.ID == of })
	if err != nil || at < 0 {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
	return o.deployments[at], nil
}

// readDeploymentStatus is GET /metadata/deployRequest/{id}.
func (o *Org) readDeploymentStatus(w http.ResponseWriter, c call) error {
	o.mu.RLock()
	d, err := o.findDeployment(c.PathValue("id"))
	if err == nil {
		err = o.mayDeploy()
	}
	var answer any
	if err == nil {
		answer = o.describeDeployment(d, d.state(o.options.Now()), c.URL.Query().Get("includeDetails") == "true")
	}
	o.mu.RUnlock()
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, answer)
	return nil
}

// cancelDeployment is PATCH /metadata/deployRequest/{id}.
func (o *Org) cancelDeployment(w http.ResponseWriter, c call) error {
	fields, err := input(w, c.Request)
	if err != nil {
		return err
	}
	result, _ := fields["deployResult"].(map[string]any)
	if status, _ := result["status"].(string); status != deployCanceling {
		return refuse(http.StatusBadRequest, "INVALID_INPUT", "a deployment can be changed to Canceling, and to nothing else")
	}
	o.mu.Lock()
	d, err := o.findDeployment(c.PathValue("id"))
	if err == nil {
		err = o.mayDeploy()
	}
	if err == nil {
		err = o.cancel(d, c.user)
	}
	var answer any
	if err == nil {
		answer = o.describeDeployment(d, deployCanceling, false)
	}
	o.mu.Unlock()
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusAccepted, answer)
	return nil
}

// cancel ends a deployment without a trace, unless it is over.
func (o *Org) cancel(d *deployment, by id) error {
	if d.Outcome != "" {
		return refuse(http.StatusBadRequest, "INVALID_ID_FIELD", "Deployment already completed")
	}
	d.Outcome, d.Canceler, d.Ends, d.Zip = deployCanceled, by, o.options.Now(), nil
	return nil
}

// describeDeployment is what the API tells of a deployment that is in a state. The caller holds the lock.
func (o *Org) describeDeployment(d *deployment, state string, details bool) map[string]any {
	date := func(t time.Time, known bool) any {
		if !known {
			return nil
		}
		return wireDatetime(datetimeValue(t))
	}
	failures, successes := []componentResult{}, []componentResult{}
	for _, r := range d.Components {
		if r.Success {
			successes = append(successes, r)
		} else {
			failures = append(failures, r)
		}
	}
	named := func(r componentResult) bool { return r.Type != "" }
	total := count(failures, named) + count(successes, named)
	done := d.Outcome != "" && state == d.Outcome
	result := map[string]any{
		"id": d.ID, "status": state, "done": done, "success": state == deploySucceeded || state == deployPartial, "checkOnly": d.Options.CheckOnly,
		"ignoreWarnings": d.Options.IgnoreWarnings, "rollbackOnError": d.Options.RollbackOnError, "runTestsEnabled": false,
		"createdBy": d.User, "createdByName": o.userValue(d.User, "Name"), "createdDate": date(d.Created, true),
		"startDate": date(d.Begins, state != deployPending), "lastModifiedDate": date(d.Ends, done), "completedDate": date(d.Ends, done),
		"numberComponentErrors": len(failures), "numberComponentsDeployed": count(successes, named), "numberComponentsTotal": total,
		"numberTestErrors": 0, "numberTestsCompleted": 0, "numberTestsTotal": 0, "stateDetail": nil, "errorMessage": nil, "errorStatusCode": nil,
	}
	if state == deployInProgress {
		result["lastModifiedDate"] = date(d.Begins, true)
	}
	if d.Canceler != "" {
		result["canceledBy"], result["canceledByName"] = d.Canceler, o.userValue(d.Canceler, "Name")
	}
	if details {
		result["details"] = map[string]any{"componentFailures": failures, "componentSuccesses": successes, "retrieveResult": nil,
			"runTestResult": map[string]any{"numTestsRun": 0, "numFailures": 0, "totalTime": 0.0,
				"successes": []any{}, "failures": []any{}, "codeCoverage": []any{},
				"codeCoverageWarnings": []any{}, "flowCoverage": []any{}, "flowCoverageWarnings": []any{}}}
	}
	return map[string]any{"id": d.ID, "validatedDeployRequestId": nil, "deployOptions": d.Options, "deployResult": result}
}

func count[T any](list []T, is func(T) bool) int {
	n := 0
	for _, one := range list {
		n += boolInt(is(one))
	}
	return n
}
