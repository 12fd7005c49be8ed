package salesforce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// customField is the definition of a custom field, as the Metadata API and the Tooling API write it.
type customField struct {
	FullName       string `xml:"fullName" json:"-"` // such as Contact.RH_CODE__c
	CaseSensitive  bool   `xml:"caseSensitive,omitempty" json:"caseSensitive,omitempty"`
	DefaultValue   string `xml:"defaultValue,omitempty" json:"defaultValue,omitempty"`
	Description    string `xml:"description,omitempty" json:"description,omitempty"`
	ExternalID     bool   `xml:"externalId" json:"externalId"`
	InlineHelpText string `xml:"inlineHelpText,omitempty" json:"inlineHelpText,omitempty"`
	Label          string `xml:"label" json:"label"`
	Length         int    `xml:"length,omitempty" json:"length,omitempty"`
	Precision      int    `xml:"precision,omitempty" json:"precision,omitempty"`
	Required       bool   `xml:"required" json:"required"`
	Scale          int    `xml:"scale" json:"scale,omitempty"`
	Type           string `xml:"type" json:"type"`
	Unique         bool   `xml:"unique,omitempty" json:"unique,omitempty"`
	VisibleLines   int    `xml:"visibleLines,omitempty" json:"visibleLines,omitempty"`
}

// What an org of the Enterprise Edition lets an object have.
const (
	mostCustomFields = 500
	mostExternalIDs  = 25
)

// customFieldKinds are the types that custom fields can have here, by the name that the Metadata API gives them.
var customFieldKinds = map[string]kind{
	"Text": kindString, "Url": kindURL, "Number": kindDouble, "DateTime": kindDatetime, "Date": kindDate, "Checkbox": kindBoolean,
	"Email": kindEmail, "Phone": kindPhone, "TextArea": kindTextArea, "LongTextArea": kindTextArea,
}

// fixedLengths are of those types whose length nobody chooses.
var fixedLengths = map[string]int{"Url": 255, "Email": 80, "Phone": 40, "TextArea": 255}

// developerName is what a name may be: no underscore at the end, and no two in a row.
var developerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$`)

// names splits the full name into object and developer name.
func (d customField) names() (object, name string, err error) {
	object, name, _ = strings.Cut(d.FullName, ".")
	name, custom := strings.CutSuffix(name, "__c")
	if !custom || !developerName.MatchString(name) || len(name) > 40 {
		return "", "", refuse(400, "FIELD_INTEGRITY_EXCEPTION", fmt.Sprintf("The field name provided, %s, is not a valid name for a custom field of an object.", d.FullName))
	}
	return object, name, nil
}

// check says what is wrong with a definition in itself.
func (d customField) check() error {
	wrong := func(format string, args ...any) error {
		return refuse(400, "FIELD_INTEGRITY_EXCEPTION", fmt.Sprintf(format, args...))
	}
	kind, known := customFieldKinds[d.Type]
	longest := map[string]int{"Text": 255, "LongTextArea": 131_072}[d.Type]
	switch {
	case !known:
		return refuse(400, "INVALID_TYPE", fmt.Sprintf("There is no custom field of type %q here.", d.Type))
	case d.Label == "":
		return wrong("Must specify a non-empty label for the CustomField")
	case utf8.RuneCountInString(d.Label) > 40:
		return wrong("Label: data value too large: %s (max length=40)", d.Label)
	case longest > 0 && d.Length == 0:
		return wrong("Must specify 'length' for a CustomField of type %s", d.Type)
	case d.Length < 0 || longest > 0 && d.Length > longest:
		return wrong("Invalid length, maximum is: %d", longest)
	case longest == 0 && d.Length > 0:
		return wrong("Can not specify 'length' for a CustomField of type %s", d.Type)
	case d.Type == "LongTextArea" && d.Length < 256:
		return wrong("Invalid length, minimum is: 256")
	case d.Type == "LongTextArea" && d.VisibleLines == 0:
		return wrong("Must specify 'visibleLines' for a CustomField of type LongTextArea")
	case d.Type == "Number" && d.Precision == 0:
		return wrong("Must specify 'precision' for a CustomField of type Number")
	case d.Type == "Number" && (d.Precision < 0 || d.Precision > 18 || d.Scale < 0 || d.Scale > d.Precision):
		return wrong("Invalid precision or scale for a CustomField of type Number")
	case d.Type == "Checkbox" && d.Required:
		return wrong("Can not specify 'required' for a CustomField of type Checkbox")
	case d.Type == "Checkbox" && d.DefaultValue == "":
		return wrong("Must specify 'defaultValue' for a CustomField of type Checkbox")
	case (d.ExternalID || d.Unique) && kind != kindString && kind != kindDouble && kind != kindEmail:
		return wrong("Can not specify 'externalId' or 'unique' for a CustomField of type %s", d.Type)
	}
	return nil
}

// apply makes a column what its definition says.
func (d customField) apply(f *field, name string) {
	f.name, f.label, f.kind, f.custom = name+"__c", d.Label, customFieldKinds[d.Type], true
	f.length, f.precision, f.scale = max(d.Length, fixedLengths[d.Type]), d.Precision, d.Scale
	f.required, f.external, f.unique, f.caseSensitive = d.Required || f.kind == kindBoolean, d.ExternalID, d.Unique, d.CaseSensitive
	f.indexed, f.help = d.ExternalID || d.Unique, d.InlineHelpText
}

// newCustomFieldObject is what the Tooling API shows of custom fields.
func newCustomFieldObject() *object {
	var b *object
	fullName := func(r row) string {
		return b.field("TableEnumOrId").value(r) + "." + b.field("DeveloperName").value(r) + "__c"
	}
	b = newObject("CustomField", "Custom Field", "Custom Fields", "00N", audited(
		&field{name: "DeveloperName", label: "Developer Name", kind: kindString, length: 40, required: true, basic: true, indexed: true},
		&field{name: "NamespacePrefix", label: "Namespace Prefix", kind: kindString, length: 15, basic: true},
		&field{name: "TableEnumOrId", label: "Table Enum or ID", kind: kindString, length: 40, required: true, basic: true},
		&field{name: "FullName", label: "Full Name", kind: kindString, length: 255, required: true, basic: true, derive: fullName},
		&field{name: "Length", label: "Length", kind: kindInt, basic: true},
		&field{name: "Precision", label: "Precision", kind: kindInt, basic: true},
		&field{name: "Scale", label: "Scale", kind: kindInt, basic: true},
		&field{name: "InlineHelpText", label: "Inline Help Text", kind: kindString, length: 510, basic: true},
		&field{name: "Description", label: "Description", kind: kindString, length: 1_000, basic: true},
		&field{name: "ManageableState", label: "Manageable State", kind: kindString, length: 40, basic: true},
		&field{name: "Metadata", label: "Metadata", kind: kindComplex, basic: true},
	)...)
	b.tooling, b.setup = true, true
	return b
}

// definition reads a row of CustomField.
func (b *object) definition(r row) (customField, error) {
	d := customField{FullName: b.field("FullName").value(r)}
	err := json.Unmarshal([]byte(b.field("Metadata").value(r)), &d)
	return d, err
}

// addCustomField adds the column that a row of CustomField describes, unless it was deleted.
func addCustomField(schema map[string]*object, custom *object, r row) error {
	if custom.field("IsDeleted").value(r) == "true" {
		return nil
	}
	d, err := custom.definition(r)
	if err != nil {
		return fmt.Errorf("custom field %s: %w", r.id(), err)
	}
	object, name, err := d.names()
	if err == nil {
		err = d.check()
	}
	if err != nil {
		return err
	}
	to := schema[fold(object)]
	if to == nil || to.field(name+"__c") != nil {
		return fmt.Errorf("custom field %s: no place for it", d.FullName)
	}
	f := &field{}
	d.apply(f, name)
	to.add(f)
	return nil
}

// createField adds a custom field, which nobody sees yet. The caller holds the lock for writing.
func (o *Org) createField(by id, d customField) (id, error) {
	object, name, err := d.names()
	if err != nil {
		return "", err
	}
	t := o.table(object)
	if t == nil || t.readOnly || t.setup {
		return "", refuse(400, "INVALID_CROSS_REFERENCE_KEY", fmt.Sprintf("Entity Enumeration Or ID: bad value for restricted picklist field: %s", object))
	}
	if err := d.check(); err != nil {
		return "", err
	}
	if t.field(name+"__c") != nil {
		return "", refuse(400, "DUPLICATE_DEVELOPER_NAME", fmt.Sprintf("There is already a field named %s on %s.", name, t.name))
	}
	if err := t.room(d); err != nil {
		return "", err
	}
	fields := o.table("CustomField")
	values := make([]string, fields.width)
	values[0] = string(fields.nextID())
	now := datetimeValue(o.now())
	for column, v := range map[string]string{"DeveloperName": name, "TableEnumOrId": t.name, "ManageableState": "unmanaged",
		"CreatedDate": now, "CreatedById": string(by)} {
		values[fields.field(column).at] = v
	}
	o.storeField(by, -1, values, d)
	f := &field{}
	d.apply(f, name)
	t.add(f)
	if f.indexed {
		t.index(f)
	}
	o.journal.note(func() { t.forget(f) })
	return id(values[0]), nil
}

// room refuses a field for which the object has none.
func (t *table) room(d customField) error {
	custom, external := 0, 0
	for _, f := range t.fields {
		custom += boolInt(f.custom)
		external += boolInt(f.external)
	}
	switch {
	case custom >= mostCustomFields:
		return refuse(400, "LIMIT_EXCEEDED", fmt.Sprintf("You have reached the maximum number of %d custom fields on %s.", mostCustomFields, t.name))
	case d.ExternalID && external >= mostExternalIDs:
		return refuse(400, "LIMIT_EXCEEDED", fmt.Sprintf("You have reached the maximum number of %d external id fields on %s.", mostExternalIDs, t.name))
	}
	return nil
}

// forget takes a custom column away.
func (t *table) forget(f *field) {
	t.drop(f)
	delete(t.indexes, f)
}

// storeField writes the row of a custom field.
func (o *Org) storeField(by id, at int, values []string, d customField) {
	t := o.table("CustomField")
	metadata, _ := json.Marshal(d) // a definition always marshals
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return numberValue(float64(n))
	}
	for column, v := range map[string]string{"Length": number(max(d.Length, fixedLengths[d.Type])), "Precision": number(d.Precision), "Scale": "",
		"InlineHelpText": d.InlineHelpText, "Description": d.Description, "Metadata": string(metadata)} {
		values[t.field(column).at] = v
	}
	if d.Type == "Number" {
		values[t.field("Scale").at] = numberValue(float64(d.Scale))
	}
	o.store(by, t, at, values)
}

// findField finds the row of a custom field that is not deleted, or -1.
func (o *Org) findField(fullName string) int {
	t := o.table("CustomField")
	_, name, _ := strings.Cut(fold(fullName), ".")
	for _, at := range t.indexes[t.field("DeveloperName")].positions(strings.TrimSuffix(name, "__c")) {
		if r := t.rows[at]; !t.isDeleted(r) && strings.EqualFold(t.field("FullName").value(r), fullName) {
			return int(at)
		}
	}
	return -1
}

// alterField gives the custom field at a position another definition. The caller holds the lock for writing.
func (o *Org) alterField(by id, at int, d customField) error {
	t := o.table("CustomField")
	was, err := t.definition(t.rows[at])
	if err != nil {
		return err
	}
	if err := d.check(); err != nil {
		return err
	}
	if d.Type != was.Type {
		return refuse(400, "FIELD_INTEGRITY_EXCEPTION", fmt.Sprintf("Cannot change which type of field this is: %s to %s", was.Type, d.Type))
	}
	object, name, err := was.names()
	if err != nil {
		return err
	}
	to := o.table(object)
	f := to.field(name + "__c")
	before := *f
	d.apply(f, name)
	if f.unique && !before.unique {
		if err := to.distinct(f); err != nil {
			*f = before
			return err
		}
	}
	if f.indexed && to.indexes[f] == nil {
		to.index(f)
	}
	o.journal.note(func() { *f = before })
	o.storeField(by, at, t.rows[at].values(t.width), d)
	return nil
}

// distinct refuses to make a field unique whose values are not.
func (t *table) distinct(f *field) error {
	seen := map[string]bool{}
	for _, r := range t.rows {
		v := f.value(r)
		if !f.caseSensitive {
			v = fold(v)
		}
		if v == "" || t.isDeleted(r) {
			continue
		}
		if seen[v] {
			return refuse(400, "FIELD_INTEGRITY_EXCEPTION", "Cannot make this field unique: records have the same value")
		}
		seen[v] = true
	}
	return nil
}

// deleteField deletes the custom field at a position, with what records hold in it. The caller holds the lock for
// writing.
func (o *Org) deleteField(by id, at int) {
	t := o.table("CustomField")
	values := t.rows[at].values(t.width)
	fullName := t.field("FullName").value(t.rows[at])
	object, name, _ := strings.Cut(fullName, ".")
	from := o.table(object)
	f := from.field(name)
	values[t.deleted.at] = "true"
	o.store(by, t, at, values)
	from.forget(f)
	o.journal.note(func() {
		from.fields = append(from.fields, f)
		from.byName[fold(f.name)] = f
		if f.indexed {
			from.index(f)
		}
	})
	for user := range o.profiles {
		delete(o.profiles[user], fold(fullName))
	}
	permissions := o.table("FieldPermissions")
	for at, r := range permissions.rows {
		if !permissions.isDeleted(r) && strings.EqualFold(permissions.field("Field").value(r), fullName) {
			values := r.values(permissions.width)
			values[permissions.deleted.at] = "true"
			o.store(by, permissions, at, values)
		}
	}
}

// toolingField is what the Tooling API is sent for a custom field.
type toolingField struct {
	FullName string       `json:"FullName"`
	Metadata *customField `json:"Metadata"`
}

func readToolingField(w http.ResponseWriter, r *http.Request) (customField, error) {
	fields, err := input(w, r)
	if err != nil {
		return customField{}, err
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return customField{}, err
	}
	var in toolingField
	if err := json.Unmarshal(body, &in); err != nil {
		return customField{}, refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", err.Error())
	}
	if in.Metadata == nil {
		return customField{}, refuse(http.StatusBadRequest, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Metadata]", "Metadata")
	}
	in.Metadata.FullName = in.FullName
	return *in.Metadata, nil
}

// createCustomField is POST /tooling/sobjects/CustomField.
func (o *Org) createCustomField(w http.ResponseWriter, c call) error {
	d, err := readToolingField(w, c.Request)
	if err != nil {
		return err
	}
	defer o.hold(c)()
	if err := o.mayCustomize(); err != nil {
		return err
	}
	created, err := o.createField(c.user, d)
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusCreated, map[string]any{"id": string(created), "success": true, "errors": []any{}, "warnings": []any{}, "infos": []any{}})
	return nil
}

// customField finds the field that a path names. The caller holds the lock.
func (o *Org) customField(c call) (int, error) {
	t := o.table("CustomField")
	of, err := parseID(c.PathValue("id"))
	at := t.find(of)
	if err != nil || at < 0 || t.isDeleted(t.rows[at]) {
		return 0, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
	return at, nil
}

// updateCustomField is PATCH /tooling/sobjects/CustomField/{id}.
func (o *Org) updateCustomField(w http.ResponseWriter, c call) error {
	d, err := readToolingField(w, c.Request)
	if err != nil {
		return err
	}
	defer o.hold(c)()
	at, err := o.customField(c)
	if err == nil {
		err = o.mayCustomize()
	}
	if err == nil {
		err = o.alterField(c.user, at, d)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteCustomField is DELETE /tooling/sobjects/CustomField/{id}.
func (o *Org) deleteCustomField(w http.ResponseWriter, c call) error {
	defer o.hold(c)()
	at, err := o.customField(c)
	if err == nil {
		err = o.mayCustomize()
	}
	if err != nil {
		return err
	}
	o.deleteField(c.user, at)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// readCustomField is GET /tooling/sobjects/CustomField/{id}.
func (o *Org) readCustomField(w http.ResponseWriter, c call) error {
	release := o.hold(c)
	at, err := o.customField(c)
	var body []byte
	if err == nil {
		t := o.table("CustomField")
		var columns []*column
		for _, f := range t.fields {
			columns = append(columns, &column{name: f.name, field: f})
		}
		body = appendRecord(nil, t, t.rows[at], columns, c.version)
	}
	release()
	if err != nil {
		return err
	}
	answerRaw(w, body)
	return nil
}

// customizable reports whether the org's edition lets apps change its fields.
func (s Setup) customizable() bool {
	return !slices.ContainsFunc([]string{"Professional", "Group", "Essentials", "Starter", "Contact Manager"}, func(edition string) bool {
		return strings.Contains(s.Edition, edition)
	})
}

// mayCustomize refuses who may not change the org's fields. The caller holds the lock.
func (o *Org) mayCustomize() error {
	switch {
	case !o.switches.customizable():
		return refuse(http.StatusForbidden, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner")
	case o.switches.MissingPermissions.have("CustomizeApplication"):
		return refuse(http.StatusForbidden, "INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id")
	}
	return nil
}
