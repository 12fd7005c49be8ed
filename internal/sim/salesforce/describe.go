package salesforce

import (
	"maps"
	"net/http"
	"slices"
)

// describeGlobal lists the objects.
func (o *Org) describeGlobal(w http.ResponseWriter, c call) error {
	release := o.share(c)
	var list []map[string]any
	for _, name := range slices.Sorted(maps.Keys(o.tables)) {
		if t := o.tables[name]; !t.tooling && !o.switches.HiddenObjects.have(t.name) {
			list = append(list, o.tables[name].brief(c.version))
		}
	}
	release()
	answerJSON(w, http.StatusOK, map[string]any{"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": list})
	return nil
}

// brief is what every description of an object begins with.
func (b *object) brief(version string) map[string]any {
	base := "/services/data/v" + version + "/sobjects/" + b.name
	writable := !b.readOnly
	return map[string]any{
		"name": b.name, "label": b.label, "labelPlural": b.plural, "keyPrefix": b.prefix, "custom": false, "customSetting": false,
		"queryable": true, "retrieveable": true, "searchable": writable, "createable": writable, "updateable": writable, "deletable": writable,
		"undeletable": false, "layoutable": writable, "triggerable": writable, "deprecatedAndHidden": false, "feedEnabled": false,
		"mergeable": false, "replicateable": writable, "activateable": false,
		"urls": map[string]string{"sobject": base, "describe": base + "/describe", "rowTemplate": base + "/{ID}"},
	}
}

// describeBriefly answers at an object's own URL.
func (o *Org) describeBriefly(w http.ResponseWriter, c call) error {
	release := o.share(c)
	t, err := o.object(c)
	release()
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, map[string]any{"objectDescribe": t.brief(c.version), "recentItems": []any{}})
	return nil
}

// describe tells all about an object, as far as the user's field-level security shows it: a hidden
// field looks like one that is not there.
func (o *Org) describe(w http.ResponseWriter, c call) error {
	release := o.share(c)
	t, err := o.object(c)
	fields := []map[string]any{}
	if err == nil {
		for _, f := range t.everyField() {
			if may := o.rights(c.author(), t.object, f); may.read {
				fields = append(fields, o.describeField(t, f, may))
			}
		}
	}
	release()
	if err != nil {
		return err
	}
	about := t.brief(c.version)
	about["fields"] = fields
	about["childRelationships"] = []any{}
	about["recordTypeInfos"] = []any{}
	answerJSON(w, http.StatusOK, about)
	return nil
}

func (o *Org) describeField(t *table, f *field, may access) map[string]any {
	writable := may.edit && !f.readOnly && !t.readOnly && (f.derive == nil || f.mirrors != nil)
	about := map[string]any{
		"name": f.name, "label": f.label, "type": string(f.kind), "soapType": f.kind.soapType(), "length": f.length, "byteLength": 3 * f.length,
		"precision": 0, "scale": f.scale, "digits": 0, "custom": f.custom, "nillable": !f.required, "createable": writable,
		"updateable": writable && !f.createOnly, "filterable": true, "sortable": true, "groupable": f.kind.text() || f.kind.id(),
		"idLookup": f.kind == kindID || f.kind == kindEmail || f.external || f.unique, "externalId": f.external, "unique": f.unique, "caseSensitive": f.caseSensitive, "calculated": false,
		"nameField": f.name == "Name", "defaultedOnCreate": f.kind == kindBoolean || f.name == "OwnerId" || f.readOnly,
		"restrictedPicklist": f.kind == kindPicklist, "permissionable": !f.basic, "deprecatedAndHidden": false,
		"picklistValues": o.picklist(t, f), "referenceTo": []string{}, "relationshipName": nil, "defaultValue": nil, "inlineHelpText": nil,
	}
	if f.help != "" {
		about["inlineHelpText"] = f.help
	}
	if f.to != "" {
		about["referenceTo"], about["relationshipName"] = []string{f.to}, f.relation
	}
	switch {
	case f.kind == kindInt:
		about["digits"] = 9
	case f.precision > 0:
		about["precision"] = f.precision
	case f.kind.number():
		about["precision"] = 16 + f.scale
	case f.kind == kindBoolean:
		about["defaultValue"] = false
	}
	return about
}

// picklist lists the values of a picklist, active ones and others.
func (o *Org) picklist(t *table, f *field) []map[string]any {
	list := []map[string]any{}
	if f.kind != kindPicklist {
		return list
	}
	for _, one := range o.choices(f) {
		list = append(list, map[string]any{"value": one.value, "label": one.label, "active": one.active, "defaultValue": false, "validFor": nil})
	}
	return list
}

func (k kind) soapType() string {
	switch {
	case k.id():
		return "tns:ID"
	case k == kindInt:
		return "xsd:int"
	case k.number():
		return "xsd:double"
	case k == kindDatetime:
		return "xsd:dateTime"
	case k == kindBoolean, k == kindDate:
		return "xsd:" + string(k)
	}
	return "xsd:string"
}
