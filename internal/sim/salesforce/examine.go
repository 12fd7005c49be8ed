package salesforce

import (
	"fmt"
	"strings"
)

// author is on whose behalf a call writes.
func (c call) author() author {
	by := author{user: c.user}
	for part := range strings.SplitSeq(c.Header.Get("Sforce-Duplicate-Rule-Header"), ";") {
		name, value, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.TrimSpace(name), "allowSave") {
			by.saveDuplicates = strings.EqualFold(strings.TrimSpace(value), "true")
		}
	}
	return by
}

// examine is what the org does with a record before it is saved, at a position or (-1) as a new one: the customer's
// own rules, unique fields, permissions, the duplicate rule. The caller holds the lock for writing.
func (o *Org) examine(by author, t *table, at int, values []string) error {
	operation := "update"
	if at < 0 {
		operation = "create"
	}
	if !by.person {
		if err := o.injected(operation, t, values); err != nil {
			return err
		}
	}
	if err := t.unequal(at, values); err != nil {
		return err
	}
	if err := o.uphold(t, at, values); err != nil {
		return err
	}
	return o.duplicates(by, t, at, values)
}

// unequal refuses values of unique fields that another record has.
func (t *table) unequal(at int, values []string) error {
	for _, f := range t.fields {
		if !f.unique || values[f.at] == "" {
			continue
		}
		for _, other := range t.holding(f, values[f.at]) {
			if other != at {
				return refuse(400, "DUPLICATE_VALUE", fmt.Sprintf("duplicate value found: %s duplicates value on record with id: %s",
					f.name, t.rows[other].id()), f.name)
			}
		}
	}
	return nil
}

// holding returns the positions of the records, not deleted, that have a value in an indexed field, oldest first.
func (t *table) holding(f *field, value string) []int {
	var found []int
	for _, at := range t.indexes[f].positions(fold(value)) {
		v := f.value(t.rows[at])
		if (v == value || !f.caseSensitive && strings.EqualFold(v, value)) && !t.isDeleted(t.rows[at]) {
			found = append(found, int(at))
		}
	}
	return sorted(found)
}

// What the duplicate rule for contacts does when it finds one.
const (
	duplicateAlert = "alert" // warns: an app may save all the same, if it says so
	duplicateAllow = "allow" // lets it pass
	duplicateBlock = "block" // lets nothing pass
)

// duplicates applies the org's duplicate rule: two contacts with one e-mail address. It looks at new contacts and at
// those whose address changes. (The org's own rule also compares names, loosely.)
func (o *Org) duplicates(by author, t *table, at int, values []string) error {
	if t.name != "Contact" || by.person || o.switches.DuplicatesAllowed || o.switches.DuplicateAction == duplicateAllow {
		return nil
	}
	block := o.switches.DuplicateAction == duplicateBlock
	email := t.field("Email")
	if values[email.at] == "" || by.saveDuplicates && !block || at >= 0 && strings.EqualFold(email.value(t.rows[at]), values[email.at]) {
		return nil
	}
	var matches []map[string]any
	for _, other := range t.holding(email, values[email.at]) {
		if other == at {
			continue
		}
		of := string(t.rows[other].id())
		matches = append(matches, map[string]any{"additionalInformation": []any{}, "fieldDiffs": []any{}, "matchConfidence": 95.0,
			"record": map[string]any{"attributes": map[string]string{"type": "Contact", "url": "/services/data/v66.0/sobjects/Contact/" + of}, "Id": of}})
	}
	if len(matches) == 0 {
		return nil
	}
	const message = "Use one of these records?"
	return &apiError{status: 400, code: "DUPLICATES_DETECTED", message: message, duplicate: map[string]any{
		"allowSave": !block, "duplicateRule": "Standard_Contact_Duplicate_Rule", "duplicateRuleEntityType": "Contact", "errorMessage": message,
		"matchResults": []any{map[string]any{"entityType": "Contact", "errors": []any{}, "matchEngine": "FuzzyMatchEngine", "matchRecords": matches,
			"rule": "Standard_Contact_Match_Rule_v1_1", "size": len(matches), "success": true}}}}
}

// injected is the refusal by the first rule for records that fits; nil if none does. The caller holds the lock for
// writing.
func (o *Org) injected(operation string, t *table, values []string) error {
	for i := range o.faults.rules {
		rule := &o.faults.rules[i]
		if !rule.fits(operation, t, values) {
			continue
		}
		if rule.Skip > 0 {
			rule.Skip--
			continue
		}
		fault := rule.Fault
		o.faults.use(i)
		code := orElse(fault.Code, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
		message := fault.Message
		if message == "" && code == "UNABLE_TO_LOCK_ROW" {
			message = "unable to obtain exclusive access to this record or 1 records: " + values[0]
		}
		return refuse(400, code, message)
	}
	return nil
}

// fits reports whether a rule is for records, and for this one.
func (r Rule) fits(operation string, t *table, values []string) bool {
	if r.Kind != KindRecord || r.Object != "" && !strings.EqualFold(r.Object, t.name) || r.Operation != "" && r.Operation != operation {
		return false
	}
	if r.Field == "" {
		return true
	}
	f := t.field(r.Field)
	if f == nil {
		return false
	}
	value := ""
	if f.derive == nil {
		value = values[f.at]
	} else {
		value = f.derive(packRow(values))
	}
	return strings.Contains(fold(value), fold(r.Contains))
}
