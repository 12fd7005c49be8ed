package salesforce

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	metadataSpace    = "http://soap.sforce.com/2006/04/metadata"
	schemaInstance   = "http://www.w3.org/2001/XMLSchema-instance"
	mostComponents   = 10 // in one call
	metadataEndpoint = "/services/Soap/m/"
)

// metadataCall is the envelope of a call of the Metadata API, of which Body holds one operation.
type metadataCall struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Header  struct {
		Session   string `xml:"SessionHeader>sessionId"`
		AllOrNone bool   `xml:"AllOrNoneHeader>allOrNone"`
	} `xml:"Header"`
	Body struct {
		Operation operation `xml:",any"`
	} `xml:"Body"`
}

// operation is what is to be done: with components, or with full names of components of one type.
type operation struct {
	XMLName    xml.Name
	Components []component `xml:"metadata"`
	Type       string      `xml:"type"`
	FullNames  []string    `xml:"fullNames"`
	soapDeployment
}

// component is one of a type that its attribute names.
type component struct {
	Type     string `xml:"http://www.w3.org/2001/XMLSchema-instance type,attr"`
	FullName string `xml:"fullName"`
	Inner    []byte `xml:",innerxml"`
}

// metadataResult says what became of one component.
type metadataResult struct {
	Created  *bool            `xml:"created"` // of upserts
	Errors   []metadataFailed `xml:"errors"`
	FullName string           `xml:"fullName"`
	Success  bool             `xml:"success"`
}

type metadataFailed struct {
	Message string `xml:"message"`
	Code    string `xml:"statusCode"`
}

// permissionSet is a permission set as the Metadata API writes it.
type permissionSet struct {
	FullName          string                `xml:"fullName"`
	Description       string                `xml:"description,omitempty"`
	FieldPermissions  []fieldPermission     `xml:"fieldPermissions"`
	Label             string                `xml:"label"`
	ObjectPermissions []objectPermissionSet `xml:"objectPermissions"`
}

type fieldPermission struct {
	Editable bool   `xml:"editable"`
	Field    string `xml:"field"`
	Readable bool   `xml:"readable"`
}

type objectPermissionSet struct {
	Create           bool   `xml:"allowCreate"`
	Delete           bool   `xml:"allowDelete"`
	Edit             bool   `xml:"allowEdit"`
	Read             bool   `xml:"allowRead"`
	ModifyAllRecords bool   `xml:"modifyAllRecords"`
	Object           string `xml:"object"`
	ViewAllRecords   bool   `xml:"viewAllRecords"`
}

// componentType is what the Metadata API can do with components of one type. All but read write, in an attempt.
type componentType struct {
	create func(o *Org, by author, c component) error
	alter  func(o *Org, by author, c component) error // of one that is there
	remove func(o *Org, by author, fullName string) error
	exists func(o *Org, fullName string) bool
	read   func(o *Org, fullName string) (any, error) // nil: there is none
}

var componentTypes = map[string]componentType{
	"CustomField": {
		create: func(o *Org, by author, c component) error {
			d, err := decodeComponent[customField](c)
			if err == nil {
				_, err = o.createField(by.user, d)
			}
			return err
		},
		alter: func(o *Org, by author, c component) error {
			d, err := decodeComponent[customField](c)
			if err == nil {
				err = o.alterField(by.user, o.findField(d.FullName), d)
			}
			return err
		},
		remove: func(o *Org, by author, fullName string) error {
			at := o.findField(fullName)
			if at < 0 {
				return refuse(400, "INVALID_CROSS_REFERENCE_KEY", "This custom field does not exist or is not accessible: "+fullName)
			}
			o.deleteField(by.user, at)
			return nil
		},
		exists: func(o *Org, fullName string) bool { return o.findField(fullName) >= 0 },
		read: func(o *Org, fullName string) (any, error) {
			at := o.findField(fullName)
			if at < 0 {
				return nil, nil
			}
			t := o.table("CustomField")
			return t.definition(t.rows[at])
		},
	},
	"PermissionSet": {
		create: (*Org).createPermissionSet,
		alter:  (*Org).alterPermissionSet,
		remove: func(o *Org, by author, fullName string) error {
			at := o.findPermissionSet(fullName)
			if at < 0 {
				return refuse(400, "INVALID_CROSS_REFERENCE_KEY", "no PermissionSet named "+fullName+" found")
			}
			return o.remove(by, o.table("PermissionSet"), at)
		},
		exists: func(o *Org, fullName string) bool { return o.findPermissionSet(fullName) >= 0 },
		read: func(o *Org, fullName string) (any, error) {
			at := o.findPermissionSet(fullName)
			if at < 0 {
				return nil, nil
			}
			return o.readPermissionSet(at), nil
		},
	},
}

// decodeComponent reads what is inside of a component; prefixes of namespaces do not matter.
func decodeComponent[T any](c component) (T, error) {
	var v T
	err := xml.Unmarshal(slices.Concat([]byte("<component>"), c.Inner, []byte("</component>")), &v)
	if err != nil {
		err = refuse(400, "INVALID_XML", err.Error())
	}
	return v, err
}

// metadata answers the Metadata API over SOAP.
func (o *Org) metadata(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestRequest))
	var in metadataCall
	if err == nil {
		err = xml.Unmarshal(body, &in)
	}
	if err != nil {
		answerFault(w, &apiError{code: "soapenv:Client", message: err.Error()})
		return
	}
	user, err := o.admitMetadata(r, in.Header.Session)
	var answer string
	if err == nil {
		answer, err = o.operate(author{user: user}, in)
	}
	if err != nil {
		answerFault(w, err)
		return
	}
	answerSOAP(w, http.StatusOK, answer)
}

// admitMetadata finds out who calls, whether they may, and takes the call from the org's allowance.
func (o *Org) admitMetadata(r *http.Request, session string) (id, error) {
	version, err := strconv.ParseFloat(r.PathValue("version"), 64)
	if err != nil || version < oldestVersion || version > newestVersion {
		return "", refuse(500, "UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")
	}
	s, ok := o.auth.session(session, o.options.Now())
	if !ok {
		return "", refuse(500, "INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session")
	}
	switches := o.Switches()
	if err := switches.apiRefusal(); err != nil {
		return "", err
	}
	if !switches.customizable() {
		return "", refuse(500, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner")
	}
	missing := switches.MissingPermissions
	if missing.have("CustomizeApplication") || missing.have("ModifyMetadata") && missing.have("ModifyAllData") {
		return "", refuse(500, "INSUFFICIENT_ACCESS", "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions")
	}
	if _, ok := o.calls.spend(switches.DailyRequests); !ok {
		return "", refuse(500, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	}
	return s.User, nil
}

// operate does one operation and returns its answer.
func (o *Org) operate(by author, in metadataCall) (string, error) {
	does := in.Body.Operation
	if answer, done, err := o.deployBySOAP(by, does.XMLName.Local, does.soapDeployment); done {
		return answer, err
	}
	typeName := does.Type
	for i, c := range does.Components {
		_, name, prefixed := strings.Cut(c.Type, ":")
		if !prefixed {
			name = c.Type
		}
		if i > 0 && name != typeName {
			return "", refuse(500, "INVALID_TYPE", "components of one call must be of one type")
		}
		typeName = name
	}
	of, known := componentTypes[typeName]
	if !known {
		return "", refuse(500, "INVALID_TYPE", fmt.Sprintf("This type of metadata is not available for this organization: %q", typeName))
	}
	if max(len(does.Components), len(does.FullNames)) > mostComponents {
		return "", refuse(500, "EXCEEDED_ID_LIMIT", fmt.Sprintf("record limit reached. cannot submit more than %d records in this operation", mostComponents))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var answer any
	var err error
	name := does.XMLName.Local
	switch name {
	case "createMetadata", "upsertMetadata", "updateMetadata":
		answer = o.results(in.Header.AllOrNone, len(does.Components), func(i int) (r metadataResult, err error) {
			c := does.Components[i]
			r.FullName = c.FullName
			exists := of.exists(o, c.FullName)
			if name == "upsertMetadata" {
				created := !exists
				r.Created = &created
			}
			switch {
			case name == "createMetadata" || !exists && name == "upsertMetadata":
				return r, of.create(o, by, c)
			case !exists:
				return r, refuse(400, "INVALID_CROSS_REFERENCE_KEY", fmt.Sprintf("no %s named %s found", typeName, c.FullName))
			}
			return r, of.alter(o, by, c)
		})
	case "deleteMetadata":
		answer = o.results(in.Header.AllOrNone, len(does.FullNames), func(i int) (metadataResult, error) {
			return metadataResult{FullName: does.FullNames[i]}, of.remove(o, by, does.FullNames[i])
		})
	case "readMetadata":
		return o.readMetadata(of, typeName, does.FullNames)
	default:
		return "", &apiError{code: "soapenv:Client", message: "No operation available for request {" + metadataSpace + "}" + name}
	}
	var b bytes.Buffer
	if err = xml.NewEncoder(&b).EncodeElement(answer, xml.StartElement{Name: xml.Name{Local: "result"}}); err != nil {
		return "", err
	}
	return "<" + name + "Response>" + b.String() + "</" + name + "Response>", nil
}

// results does something to n components, each for itself or all or none.
func (o *Org) results(allOrNone bool, n int, do func(i int) (metadataResult, error)) []metadataResult {
	results := make([]metadataResult, n)
	_ = o.attempt(func() error {
		var failed error
		for i := range results {
			err := o.attempt(func() (err error) {
				results[i], err = do(i)
				return err
			})
			if results[i].Success = err == nil; err == nil {
				continue
			}
			failed = err
			results[i].Created = nil
			refusal := asRefusal(err)
			results[i].Errors = []metadataFailed{{refusal.message, refusal.code}}
		}
		if !allOrNone || failed == nil {
			return nil
		}
		for i := range results {
			if results[i].Success {
				results[i].Success, results[i].Created = false, nil
				results[i].Errors = []metadataFailed{{"Record rolled back because not all records were valid and the request was using AllOrNone header", "ALL_OR_NONE_OPERATION_ROLLED_BACK"}}
			}
		}
		return failed
	})
	return results
}

// readMetadata answers with the components of the names, and with nil where there is none.
func (o *Org) readMetadata(of componentType, typeName string, fullNames []string) (string, error) {
	var b bytes.Buffer
	b.WriteString(`<readMetadataResponse><result>`)
	for _, name := range fullNames {
		found, err := of.read(o, name)
		if err != nil {
			return "", err
		}
		if found == nil {
			b.WriteString(`<records xsi:nil="true"/>`)
			continue
		}
		start := xml.StartElement{Name: xml.Name{Local: "records"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xsi:type"}, Value: typeName}}}
		if err := xml.NewEncoder(&b).EncodeElement(found, start); err != nil {
			return "", err
		}
	}
	b.WriteString(`</result></readMetadataResponse>`)
	return b.String(), nil
}

func answerSOAP(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="http://soap.sforce.com/2006/04/fault" xmlns="`+
		metadataSpace+`" xmlns:xsi="`+schemaInstance+`"><soapenv:Body>`+body+`</soapenv:Body></soapenv:Envelope>`) // the client may have gone
}

// answerFault writes a refusal as SOAP does.
func answerFault(w http.ResponseWriter, err error) {
	refusal := asRefusal(err)
	code, message := refusal.code, refusal.message
	if !strings.Contains(code, ":") {
		code, message = "sf:"+code, code+": "+message
	}
	var text bytes.Buffer
	_ = xml.EscapeText(&text, []byte(message)) // a buffer takes everything
	answerSOAP(w, http.StatusInternalServerError, "<soapenv:Fault><faultcode>"+code+"</faultcode><faultstring>"+text.String()+"</faultstring></soapenv:Fault>")
}

// asRefusal is an error as the API tells it.
func asRefusal(err error) *apiError {
	var refusal *apiError
	if errors.As(err, &refusal) {
		return refusal
	}
	return &apiError{status: http.StatusInternalServerError, code: "UNKNOWN_EXCEPTION", message: err.Error()}
}

// findPermissionSet finds a permission set that is not deleted by its name, or -1.
func (o *Org) findPermissionSet(name string) int {
	t := o.table("PermissionSet")
	if found := t.holding(t.field("Name"), name); len(found) > 0 {
		return found[0]
	}
	return -1
}

func (o *Org) createPermissionSet(by author, c component) error {
	set, err := decodeComponent[permissionSet](c)
	if err != nil {
		return err
	}
	created, err := o.create(by, o.table("PermissionSet"), set.fields())
	if err != nil {
		return err
	}
	return o.fillPermissionSet(by, created, set)
}

// alterPermissionSet replaces the whole content of a permission set, as the API does from version 40 on.
func (o *Org) alterPermissionSet(by author, c component) error {
	set, err := decodeComponent[permissionSet](c)
	if err != nil {
		return err
	}
	t := o.table("PermissionSet")
	at := o.findPermissionSet(set.FullName)
	of := t.rows[at].id()
	if err := o.update(by, t, at, set.fields()); err != nil {
		return err
	}
	for _, object := range []string{"FieldPermissions", "ObjectPermissions"} {
		for _, at := range o.children(object, "ParentId", string(of)) {
			if err := o.remove(by, o.table(object), at); err != nil {
				return err
			}
		}
	}
	return o.fillPermissionSet(by, of, set)
}

func (s permissionSet) fields() map[string]any {
	return map[string]any{"Name": s.FullName, "Label": s.Label, "Description": s.Description}
}

func (o *Org) fillPermissionSet(by author, of id, set permissionSet) error {
	for _, p := range set.FieldPermissions {
		object, name, _ := strings.Cut(p.Field, ".")
		t := o.table(object)
		if t == nil || t.field(name) == nil {
			return refuse(400, "INVALID_CROSS_REFERENCE_KEY", "In field: field - no CustomField named "+p.Field+" found")
		}
		if t.field(name).basic {
			return refuse(400, "FIELD_INTEGRITY_EXCEPTION", "You cannot deploy to a required field: "+p.Field)
		}
		if !p.Readable && !p.Editable {
			continue
		}
		if _, err := o.create(by, o.table("FieldPermissions"), map[string]any{"ParentId": string(of), "SobjectType": t.name, "Field": p.Field,
			"PermissionsRead": p.Readable, "PermissionsEdit": p.Editable}); err != nil {
			return err
		}
	}
	for _, p := range set.ObjectPermissions {
		if _, err := o.create(by, o.table("ObjectPermissions"), map[string]any{"ParentId": string(of), "SobjectType": p.Object,
			"PermissionsRead": p.Read, "PermissionsCreate": p.Create, "PermissionsEdit": p.Edit, "PermissionsDelete": p.Delete,
			"PermissionsViewAllRecords": p.ViewAllRecords, "PermissionsModifyAllRecords": p.ModifyAllRecords}); err != nil {
			return err
		}
	}
	return nil
}

func (o *Org) readPermissionSet(at int) permissionSet {
	t, fields, objects := o.table("PermissionSet"), o.table("FieldPermissions"), o.table("ObjectPermissions")
	r := t.rows[at]
	set := permissionSet{FullName: t.field("Name").value(r), Label: t.field("Label").value(r), Description: t.field("Description").value(r)}
	for _, at := range o.children("FieldPermissions", "ParentId", string(r.id())) {
		p := fields.rows[at]
		set.FieldPermissions = append(set.FieldPermissions, fieldPermission{Field: fields.field("Field").value(p),
			Readable: fields.field("PermissionsRead").value(p) == "true", Editable: fields.field("PermissionsEdit").value(p) == "true"})
	}
	for _, at := range o.children("ObjectPermissions", "ParentId", string(r.id())) {
		p := objects.rows[at]
		may := func(name string) bool { return objects.field("Permissions"+name).value(p) == "true" }
		set.ObjectPermissions = append(set.ObjectPermissions, objectPermissionSet{Object: objects.field("SobjectType").value(p), Read: may("Read"),
			Create: may("Create"), Edit: may("Edit"), Delete: may("Delete"), ViewAllRecords: may("ViewAllRecords"), ModifyAllRecords: may("ModifyAllRecords")})
	}
	return set
}
