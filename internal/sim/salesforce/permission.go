package salesforce

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// access is what a user may do with a field.
type access struct{ read, edit bool }

// rights says what a user may do with a field. Basic fields are everybody's. A custom field is nobody's until a
// permission set that the user has, or SetVisible, says otherwise; any other field is everybody's until SetVisible
// does. What the switch HiddenFields names, nobody sees. The caller holds the lock.
func (o *Org) rights(by author, b *object, f *field) access {
	full := access{read: true, edit: true}
	if f.persons && !o.switches.PersonAccounts {
		return access{}
	}
	if f.mirrors != nil { // seen and edited by whoever sees and edits the contact's
		return o.rights(by, b.persons.contacts.object, f.mirrors)
	}
	if f.basic || by.everything {
		return full
	}
	name := fold(b.name + "." + f.name)
	if o.switches.HiddenFields.have(name) {
		return access{}
	}
	if shown, said := o.profiles[by.user][name]; said {
		return access{read: shown, edit: shown}
	}
	if f.custom {
		if o.options.Now().Before(o.settled) {
			return o.former[by.user][name]
		}
		return o.granted[by.user][name]
	}
	return full
}

// visible reports whether a user sees a field. The caller holds the lock.
func (o *Org) visible(user id, b *object, f *field) bool {
	return o.rights(author{user: user}, b, f).read
}

// visitor is who changes records on the org's pages: the administrator, who is warned of duplicates and may go on.
func (o *Org) visitor() author { return author{user: o.admin, everything: true, saveDuplicates: true} }

// permissionObjects are those by which an administrator, or an app, says who may see what.
func permissionObjects() []*object {
	objects := []*object{
		newObject("PermissionSet", "Permission Set", "Permission Sets", "0PS", audited(
			&field{name: "Name", label: "Permission Set Name", kind: kindString, length: 80, required: true, basic: true, indexed: true},
			&field{name: "Label", label: "Permission Set Label", kind: kindString, length: 80, required: true, basic: true},
			&field{name: "Description", label: "Description", kind: kindString, length: 255, basic: true},
			&field{name: "NamespacePrefix", label: "Namespace Prefix", kind: kindString, length: 15, readOnly: true, basic: true},
			&field{name: "IsOwnedByProfile", label: "Is Owned By Profile", kind: kindBoolean, required: true, readOnly: true, basic: true},
		)...),
		newObject("FieldPermissions", "Field Permissions", "Field Permissions", "01k", audited(
			&field{name: "ParentId", label: "Parent ID", kind: kindReference, length: 18, to: "PermissionSet", relation: "Parent", required: true, createOnly: true, basic: true, indexed: true},
			&field{name: "SobjectType", label: "Sobject Type Name", kind: kindString, length: 40, required: true, createOnly: true, basic: true},
			&field{name: "Field", label: "Field Name", kind: kindString, length: 255, required: true, createOnly: true, basic: true},
			&field{name: "PermissionsRead", label: "Read Field", kind: kindBoolean, required: true, basic: true},
			&field{name: "PermissionsEdit", label: "Edit Field", kind: kindBoolean, required: true, basic: true},
		)...),
		newObject("ObjectPermissions", "Object Permissions", "Object Permissions", "110", audited(append([]*field{
			{name: "ParentId", label: "Parent ID", kind: kindReference, length: 18, to: "PermissionSet", relation: "Parent", required: true, createOnly: true, basic: true, indexed: true},
			{name: "SobjectType", label: "Sobject Type Name", kind: kindString, length: 40, required: true, createOnly: true, basic: true},
		}, objectPermissionFields()...)...)...),
		newObject("PermissionSetAssignment", "Permission Set Assignment", "Permission Set Assignments", "0Pa", audited(
			&field{name: "AssigneeId", label: "Assignee ID", kind: kindReference, length: 18, to: "User", relation: "Assignee", required: true, createOnly: true, basic: true, indexed: true},
			&field{name: "PermissionSetId", label: "Permission Set ID", kind: kindReference, length: 18, to: "PermissionSet", relation: "PermissionSet", required: true, createOnly: true, basic: true, indexed: true},
		)...),
	}
	for _, b := range objects {
		b.setup = true
	}
	return objects
}

// objectPermissionNames are what ObjectPermissions can allow, after "Permissions".
var objectPermissionNames = []string{"Read", "Create", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords"}

func objectPermissionFields() []*field {
	var list []*field
	for _, name := range objectPermissionNames {
		list = append(list, &field{name: "Permissions" + name, label: name, kind: kindBoolean, required: true, basic: true})
	}
	return list
}

// administeredBy names the permission that a user needs to write the records of an object.
var administeredBy = map[string]string{"PermissionSet": "ManageProfilesPermissionsets", "FieldPermissions": "ManageProfilesPermissionsets",
	"ObjectPermissions": "ManageProfilesPermissionsets", "PermissionSetAssignment": "AssignPermissionSets"}

// mayAdminister refuses who may not write the records of an object of Setup. The caller holds the lock.
func (o *Org) mayAdminister(b *object) error {
	if need := administeredBy[b.name]; need != "" && o.switches.MissingPermissions.have(need) {
		return refuse(http.StatusForbidden, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
	}
	return nil
}

// concealed reports whether users are kept from an object: it is hidden from them, or they may not view Setup.
func (s Setup) concealed(b *object) bool {
	return s.HiddenObjects.have(b.name) || (b.name == "FieldPermissions" || b.name == "ObjectPermissions") && s.MissingPermissions.have("ViewSetup")
}

// uphold refuses a permission, as values say it, that makes no sense beside the others. at is its position, or -1.
func (o *Org) uphold(t *table, at int, values []string) error {
	if err := o.mayAdminister(t.object); err != nil {
		return err
	}
	value := func(name string) string { return values[t.field(name).at] }
	// twin is another record with the same values in fields, of which the first one is indexed.
	twin := func(fields ...string) id {
		for _, other := range t.indexes[t.field(fields[0])].positions(fold(value(fields[0]))) {
			r := t.rows[other]
			same := int(other) != at && !t.isDeleted(r)
			for _, name := range fields {
				same = same && strings.EqualFold(t.field(name).value(r), value(name))
			}
			if same {
				return r.id()
			}
		}
		return ""
	}
	switch t.name {
	case "PermissionSet":
		if !developerName.MatchString(value("Name")) {
			return refuse(400, "INVALID_INPUT", "The Permission Set Name can only contain underscores and alphanumeric characters.", "Name")
		}
		if twin("Name") != "" {
			return refuse(400, "DUPLICATE_DEVELOPER_NAME", fmt.Sprintf("The name %s is already used by a permission set.", value("Name")), "Name")
		}
	case "PermissionSetAssignment":
		if other := twin("AssigneeId", "PermissionSetId"); other != "" {
			return refuse(400, "DUPLICATE_VALUE", fmt.Sprintf("Duplicate PermissionSetAssignment. Assignee: %s; Permission Set: %s",
				value("AssigneeId"), value("PermissionSetId")), "AssigneeId", "PermissionSetId")
		}
	case "FieldPermissions":
		object, name, _ := strings.Cut(value("Field"), ".")
		of := o.table(object)
		if !strings.EqualFold(object, value("SobjectType")) || of == nil || of.field(name) == nil || of.field(name).basic || of.field(name).custom && of.field(name).required && of.field(name).kind != kindBoolean {
			return refuse(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Field Name: bad value for restricted picklist field: "+value("Field"), "Field")
		}
		values[t.field("Field").at] = of.name + "." + of.field(name).name
		if value("PermissionsEdit") == "true" && value("PermissionsRead") == "" {
			return refuse(400, "FIELD_INTEGRITY_EXCEPTION", "Permission to edit a field needs permission to read it.", "PermissionsEdit")
		}
		if other := twin("ParentId", "Field"); other != "" {
			return refuse(400, "DUPLICATE_VALUE", "duplicate value found: ParentId and Field duplicate values on record with id: "+string(other))
		}
		if value("PermissionsRead") == "" {
			values[t.deleted.at] = "true" // a permission to do nothing is none
		}
	case "ObjectPermissions":
		if o.table(value("SobjectType")) == nil {
			return refuse(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Sobject Type Name: bad value for restricted picklist field: "+value("SobjectType"), "SobjectType")
		}
		for _, name := range objectPermissionNames[1:] {
			if value("Permissions"+name) == "true" && value("PermissionsRead") == "" {
				return refuse(400, "FIELD_INTEGRITY_EXCEPTION", fmt.Sprintf("Permission %s depends on permission(s): Read", name), "Permissions"+name)
			}
		}
		if other := twin("ParentId", "SobjectType"); other != "" {
			return refuse(400, "DUPLICATE_VALUE", "duplicate value found: ParentId and SobjectType duplicate values on record with id: "+string(other))
		}
	}
	return nil
}

// regrant works out what the permission sets let each user see, now or after AccessDelay. The caller holds the lock for
// writing.
func (o *Org) regrant() {
	if now := o.options.Now(); o.switches.AccessDelay > 0 {
		if !now.Before(o.settled) {
			o.former = o.granted
		}
		o.settled = now.Add(time.Duration(o.switches.AccessDelay))
	}
	assignments, permissions := o.table("PermissionSetAssignment"), o.table("FieldPermissions")
	assignee, set := assignments.field("AssigneeId"), assignments.field("PermissionSetId")
	parent, name, edit := permissions.field("ParentId"), permissions.field("Field"), permissions.field("PermissionsEdit")
	users := map[string][]id{}
	for _, r := range assignments.rows {
		if !assignments.isDeleted(r) {
			users[set.value(r)] = append(users[set.value(r)], id(assignee.value(r)))
		}
	}
	o.granted = map[id]map[string]access{}
	for _, r := range permissions.rows {
		if permissions.isDeleted(r) {
			continue
		}
		for _, user := range users[parent.value(r)] {
			if o.granted[user] == nil {
				o.granted[user] = map[string]access{}
			}
			key := fold(name.value(r))
			o.granted[user][key] = access{read: true, edit: o.granted[user][key].edit || edit.value(r) == "true"}
		}
	}
}
