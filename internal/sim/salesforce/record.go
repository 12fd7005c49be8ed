package salesforce

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// emailForm is about what the org checks of an address; it has never asked whether mail arrives.
var emailForm = regexp.MustCompile(`^[^\s@,;:<>()\[\]"\\]+@[^\s@,;:<>()\[\]"\\.]+(\.[^\s@,;:<>()\[\]"\\.]+)*\.[^\s@.]{2,}$`)

func refuse(status int, code, message string, fields ...string) error {
	return &apiError{status: status, code: code, message: message, fields: fields}
}

// author is on whose behalf records are written, and how.
type author struct {
	user           id
	everything     bool // sees and edits every field: a person at the org's own pages
	saveDuplicates bool // a duplicate rule that only warns does not stop it
	person         bool // writes the contact of a person account, whose rules have been met
}

// create adds a record with the given fields, and whatever comes with it, or nothing at all. The caller holds the
// lock for writing.
func (o *Org) create(by author, t *table, input map[string]any) (created id, err error) {
	err = o.attempt(func() error {
		created, err = o.bring(by, t, input)
		return err
	})
	return created, err
}

func (o *Org) insert(by author, t *table, input map[string]any) (id, error) {
	if t.readOnly {
		return "", refuse(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be inserted: "+t.label)
	}
	values := make([]string, t.width)
	if err := o.assign(by, t, values, input, true); err != nil {
		return "", err
	}
	if f := t.field(currencyCode); f != nil && values[f.at] == "" {
		values[f.at] = corporateCurrency
	}
	var missing []string
	for _, f := range t.fields {
		if f.required && !f.readOnly && f.kind != kindBoolean && f.name != "OwnerId" && values[f.at] == "" {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		return "", refuse(400, "REQUIRED_FIELD_MISSING", "Required fields are missing: ["+strings.Join(missing, ", ")+"]", missing...)
	}
	now := datetimeValue(o.now())
	set := func(name, value string) {
		if f := t.field(name); f != nil {
			values[f.at] = value
		}
	}
	created := t.nextID()
	set("Id", string(created))
	set("CreatedDate", now)
	set("CreatedById", string(by.user))
	if f := t.field("OwnerId"); f != nil && values[f.at] == "" {
		values[f.at] = string(by.user)
	}
	if err := o.examine(by, t, -1, values); err != nil {
		return "", err
	}
	o.store(by.user, t, -1, values)
	if contact := t.field("ContactId"); t.name == "Opportunity" && values[contact.at] != "" {
		_, err := o.create(by, o.table("OpportunityContactRole"), map[string]any{
			"OpportunityId": string(created), "ContactId": values[contact.at], "IsPrimary": true})
		return created, err
	}
	return created, nil
}

// update changes the given fields of the record at a position, or nothing at all. The caller holds the lock for writing.
func (o *Org) update(by author, t *table, at int, input map[string]any) error {
	return o.attempt(func() error { return o.alter(by, t, at, input) })
}

func (o *Org) change(by author, t *table, at int, input map[string]any) error {
	if t.readOnly {
		return refuse(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be updated: "+t.label)
	}
	if t.isDeleted(t.rows[at]) {
		return refuse(404, "ENTITY_IS_DELETED", "entity is deleted")
	}
	if err := t.converted(at); err != nil {
		return err
	}
	values := t.rows[at].values(t.width)
	if err := o.assign(by, t, values, input, false); err != nil {
		return err
	}
	if err := o.examine(by, t, at, values); err != nil {
		return err
	}
	o.store(by.user, t, at, values)
	return nil
}

// remove marks the record at a position as deleted, and the contact roles of what it was part of.
func (o *Org) remove(by author, t *table, at int) error {
	return o.attempt(func() error { return o.drop(by, t, at) })
}

func (o *Org) discard(by author, t *table, at int) error {
	if t.readOnly || t.deleted == nil {
		return refuse(400, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
	}
	if err := o.mayAdminister(t.object); err != nil {
		return err
	}
	if t.isDeleted(t.rows[at]) {
		return refuse(404, "ENTITY_IS_DELETED", "entity is deleted")
	}
	values := t.rows[at].values(t.width)
	if t.name == "PermissionSet" && len(o.children("PermissionSetAssignment", "PermissionSetId", values[0])) > 0 {
		return refuse(400, "DELETE_FAILED", "Your attempt to delete the permission set could not be completed because users are assigned to it.")
	}
	if err := o.injected("delete", t, values); err != nil {
		return err
	}
	values[t.deleted.at] = "true"
	o.store(by.user, t, at, values)
	for _, part := range partsOf[t.name] {
		for _, at := range o.children(part.object, part.reference, values[0]) {
			if err := o.remove(by, o.table(part.object), at); err != nil {
				return err
			}
		}
	}
	return nil
}

// partsOf names the records that go when the record that they belong to goes, by its object.
var partsOf = map[string][]struct{ object, reference string }{
	"Opportunity":   {{"OpportunityContactRole", "OpportunityId"}},
	"PermissionSet": {{"FieldPermissions", "ParentId"}, {"ObjectPermissions", "ParentId"}},
}

// children returns the positions of the records, not deleted, that refer to a parent by an indexed field.
func (o *Org) children(object, reference, parent string) []int {
	t := o.table(object)
	f := t.field(reference)
	var found []int
	for _, at := range t.indexes[f].positions(fold(parent)) {
		if f.value(t.rows[at]) == parent && !t.isDeleted(t.rows[at]) {
			found = append(found, int(at))
		}
	}
	return sorted(found)
}

func sorted(positions []int) []int {
	slices.Sort(positions)
	return positions
}

// store writes a record's values, at a position or (-1) as a new one, and does what the org itself
// does then: stamps, what a stage implies, history, one primary role.
func (o *Org) store(user id, t *table, at int, values []string) {
	now := datetimeValue(o.now())
	before := make([]string, t.width)
	if at >= 0 {
		before = t.rows[at].values(t.width)
	}
	set := func(name, value string) {
		if f := t.field(name); f != nil {
			values[f.at] = value
		}
	}
	set("LastModifiedDate", now)
	set("LastModifiedById", string(user))
	set("SystemModstamp", now)
	changed := func(name string) bool { f := t.field(name); return before[f.at] != values[f.at] }
	if t.name == "Opportunity" && (at < 0 || changed("StageName")) {
		stages := o.table("OpportunityStage")
		if stage, ok := o.stage(values[t.field("StageName").at]); ok {
			for _, name := range []string{"IsClosed", "IsWon", "ForecastCategoryName"} {
				set(name, stages.field(name).value(stage))
			}
			if !changed("Probability") {
				set("Probability", stages.field("DefaultProbability").value(stage))
			}
		}
		set("LastStageChangeDate", now)
	}
	if at < 0 {
		t.append(packRow(values))
	} else {
		t.replace(at, packRow(values))
	}
	switch t.name {
	case "Opportunity":
		if at < 0 || changed("StageName") || changed("Amount") || changed("Probability") || changed("CloseDate") {
			o.writeHistory(user, t, values, now)
		}
		if deleted := values[t.deleted.at]; deleted != before[t.deleted.at] {
			o.follow(id(values[0]), deleted)
		}
	case "PermissionSetAssignment", "FieldPermissions":
		o.regrant()
		o.journal.note(o.regrant)
	case "OpportunityContactRole":
		if values[t.field("IsPrimary").at] == "true" && values[t.deleted.at] == "" {
			o.makePrimary(user, values)
		} else if before[t.field("IsPrimary").at] == "true" && before[t.deleted.at] == "" {
			o.dropPrimary(before)
		}
	}
	o.fire(t, at < 0, before, values)
}

// stage finds an active stage by the name that opportunities carry.
func (o *Org) stage(name string) (row, bool) {
	t := o.table("OpportunityStage")
	for _, r := range t.rows {
		if strings.EqualFold(t.field("ApiName").value(r), name) && t.field("IsActive").value(r) == "true" {
			return r, true
		}
	}
	return "", false
}

func (o *Org) writeHistory(user id, opportunities *table, of []string, now string) {
	t := o.table("OpportunityHistory")
	values := make([]string, t.width)
	values[0] = string(t.nextID())
	for name, from := range map[string]string{"OpportunityId": "Id", "StageName": "StageName", "Amount": "Amount",
		"Probability": "Probability", "CloseDate": "CloseDate", "ForecastCategory": "ForecastCategoryName"} {
		values[t.field(name).at] = of[opportunities.field(from).at]
	}
	if f := t.field(currencyCode); f != nil {
		values[f.at] = of[opportunities.field(currencyCode).at]
	}
	values[t.field("CreatedById").at] = string(user)
	values[t.field("CreatedDate").at] = now
	values[t.field("SystemModstamp").at] = now
	t.append(packRow(values))
}

// makePrimary takes the mark from the opportunity's other roles, and writes the contact to the opportunity.
func (o *Org) makePrimary(user id, role []string) {
	t := o.table("OpportunityContactRole")
	opportunity := role[t.field("OpportunityId").at]
	primary := t.field("IsPrimary")
	for _, at := range o.children(t.name, "OpportunityId", opportunity) {
		other := t.rows[at].values(t.width)
		if other[0] != role[0] && other[primary.at] == "true" {
			other[primary.at] = ""
			o.store(user, t, at, other)
		}
	}
	opportunities := o.table("Opportunity")
	if at := opportunities.find(id(opportunity)); at >= 0 {
		values := opportunities.rows[at].values(opportunities.width)
		values[opportunities.field("ContactId").at] = role[t.field("ContactId").at]
		opportunities.replace(at, packRow(values)) // no stamp: a role's change is no change of the opportunity
	}
}

// assign puts what came in into values, or says what is wrong with it.
func (o *Org) assign(by author, t *table, values []string, input map[string]any, creating bool) error {
	var refused []string
	for name := range input {
		if name == "attributes" {
			continue
		}
		f := t.field(name)
		may := access{}
		if f != nil {
			may = o.rights(by, t.object, f)
		}
		if !may.read {
			return refuse(400, "INVALID_FIELD", fmt.Sprintf("No such column '%s' on sobject of type %s", name, t.name))
		}
		if !may.edit || f.readOnly || f.derive != nil || f.createOnly && !creating {
			refused = append(refused, f.name)
		}
	}
	if len(refused) > 0 {
		slices.Sort(refused)
		verb := "update"
		if creating {
			verb = "create"
		}
		return refuse(400, "INVALID_FIELD_FOR_INSERT_UPDATE", fmt.Sprintf("Unable to %s fields: %s. Please check the security settings of this field "+
			"and verify that it is read/write for your profile or permission set.", verb, strings.Join(refused, ", ")), refused...)
	}
	for _, f := range t.fields { // in the object's order, so that the same input fails the same way
		for name, v := range input {
			if !strings.EqualFold(name, f.name) {
				continue
			}
			value, err := o.convert(t, f, v)
			if err != nil {
				return err
			}
			if value == "" && f.required && !creating && f.kind != kindBoolean {
				return refuse(400, "REQUIRED_FIELD_MISSING", "Required fields are missing: ["+f.name+"]", f.name)
			}
			values[f.at] = value
		}
	}
	return nil
}

// convert checks a JSON value against a field and returns it as rows hold it.
func (o *Org) convert(t *table, f *field, v any) (string, error) {
	wrongType := func(what string) error {
		return refuse(400, "JSON_PARSER_ERROR", fmt.Sprintf("Cannot deserialize instance of %s from value %v of field %s", what, v, f.name))
	}
	if v == nil {
		return "", nil
	}
	switch {
	case f.kind == kindBoolean:
		b, ok := v.(bool)
		if !ok {
			return "", wrongType("boolean")
		}
		return boolValue(b), nil
	case f.kind.number():
		number, ok := v.(json.Number)
		if !ok {
			return "", wrongType("double")
		}
		n, err := number.Float64()
		limit := 1e16
		if f.precision > 0 {
			limit = math.Pow10(f.precision - f.scale)
		}
		if err != nil || n >= limit || n <= -limit {
			return "", refuse(400, "NUMBER_OUTSIDE_VALID_RANGE", f.label+": value outside of valid range on numeric field: "+number.String(), f.name)
		}
		return numberValue(round(n, f.scale)), nil
	}
	text, ok := v.(string)
	if !ok {
		return "", wrongType("string")
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return "", nil
	}
	switch f.kind {
	case kindDate:
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return "", wrongType("date")
		}
		return text, nil
	case kindDatetime:
		when, ok := parseDatetime(text)
		if !ok {
			return "", wrongType("datetime")
		}
		return datetimeValue(when), nil
	case kindID, kindReference:
		to := o.tables[fold(f.to)]
		of, err := parseID(text)
		if err != nil || string(of[:3]) != to.prefix {
			return "", refuse(400, "MALFORMED_ID", f.label+": id value of incorrect type: "+text, f.name)
		}
		if _, ok := to.parent(string(of)); !ok {
			return "", refuse(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
		}
		return string(of), nil
	}
	if utf8.RuneCountInString(text) > f.length {
		return "", refuse(400, "STRING_TOO_LONG", fmt.Sprintf("%s: data value too large: %s (max length=%d)", f.label, text, f.length), f.name)
	}
	if f.kind == kindEmail && !emailForm.MatchString(text) {
		return "", refuse(400, "INVALID_EMAIL_ADDRESS", f.label+": invalid email address: "+text, f.name)
	}
	if f.kind == kindPicklist {
		choices := o.choices(f)
		at := slices.IndexFunc(choices, func(one choice) bool { return one.active && strings.EqualFold(one.value, text) })
		if at < 0 {
			return "", refuse(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f.label+": bad value for restricted picklist field: "+text, f.name)
		}
		text = choices[at].value
	}
	return text, nil
}

// appendRecord writes a record as REST does: its attributes, then the columns.
func appendRecord(b []byte, t *table, r row, columns []*column, version string) []byte {
	b = append(b, `{"attributes":{"type":"`...)
	b = append(b, t.name...)
	b = append(b, `","url":"/services/data/v`...)
	b = append(b, version...)
	if t.tooling {
		b = append(b, "/tooling"...)
	}
	b = append(b, "/sobjects/"...)
	b = append(b, t.name...)
	b = append(b, '/')
	b = append(b, r.id()...)
	b = append(b, `"}`...)
	for _, c := range columns {
		b = append(b, ',', '"')
		b = append(b, c.name...)
		b = append(b, '"', ':')
		if c.parent == nil {
			b = c.field.appendJSON(b, c.field.value(r))
		} else if parent, ok := c.parent.parent(c.field.value(r)); ok {
			b = appendRecord(b, c.parent, parent, c.children, version)
		} else {
			b = append(b, "null"...)
		}
	}
	return append(b, '}')
}

// appendJSON writes a value of the field.
func (f *field) appendJSON(b []byte, value string) []byte {
	switch {
	case f.kind == kindBoolean:
		return strconv.AppendBool(b, value == "true")
	case value == "":
		return append(b, "null"...)
	case f.kind == kindComplex:
		return append(b, value...)
	case f.kind == kindInt:
		return append(b, value...)
	case f.kind.number():
		return appendDouble(b, value)
	case f.kind == kindDatetime:
		value = wireDatetime(value)
	}
	return appendText(b, value)
}

// appendDouble writes a number as the org does: 1234567.0, and with an exponent, 1.2345678E7, where it has eight digits or
// more before the point (Salesforce's help, article 000385889), or is below a thousandth.
func appendDouble(b []byte, value string) []byte {
	if n, err := strconv.ParseFloat(value, 64); err == nil && n != 0 && (math.Abs(n) >= 1e7 || math.Abs(n) < 1e-3) {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(n, 'E', -1, 64), "E")
		b = appendPoint(b, mantissa)
		power, _ := strconv.Atoi(exponent) // Go writes it as +07
		return strconv.AppendInt(append(b, 'E'), int64(power), 10)
	}
	return appendPoint(b, value)
}

func appendPoint(b []byte, number string) []byte {
	b = append(b, number...)
	if !strings.Contains(number, ".") {
		b = append(b, ".0"...)
	}
	return b
}

// appendText writes a JSON string; plain ASCII, most of what there is, without a detour.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(text) // a string always marshals
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}
