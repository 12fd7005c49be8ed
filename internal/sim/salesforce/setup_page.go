package salesforce

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// listedField is a custom field on the page of Setup.
type listedField struct {
	customField
	SeenBy []string // usernames
}

// listedSet is a permission set there.
type listedSet struct {
	Name, Label   string
	Fields, Users []string
}

func (o *Org) showSetup(w http.ResponseWriter, problem string) {
	users := o.state().Users
	o.mu.RLock()
	content := map[string]any{"Problem": problem, "Automation": o.automation(), "Fields": o.listFields(users), "Sets": o.listSets(),
		"Users": users, "Objects": []string{"Contact", "Lead", "Account", "Opportunity"}, "Types": slices.Sorted(maps.Keys(customFieldKinds))}
	o.mu.RUnlock()
	status := http.StatusOK
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	o.show(w, status, "setup", "Setup", content)
}

func (o *Org) listFields(users []string) []listedField {
	t := o.table("CustomField")
	var list []listedField
	for _, r := range t.rows {
		d, err := t.definition(r)
		if err != nil || t.isDeleted(r) {
			continue
		}
		item := listedField{customField: d}
		object, name, _ := strings.Cut(d.FullName, ".")
		of := o.table(object)
		for _, username := range users {
			if who, ok := o.user(username); ok && o.visible(who.id(), of.object, of.field(name)) {
				item.SeenBy = append(item.SeenBy, username)
			}
		}
		list = append(list, item)
	}
	return list
}

func (o *Org) listSets() []listedSet {
	t, permissions, assignments := o.table("PermissionSet"), o.table("FieldPermissions"), o.table("PermissionSetAssignment")
	var list []listedSet
	for _, r := range t.rows {
		if t.isDeleted(r) {
			continue
		}
		item := listedSet{Name: t.field("Name").value(r), Label: t.field("Label").value(r)}
		for _, at := range o.children("FieldPermissions", "ParentId", string(r.id())) {
			of := permissions.rows[at]
			may := "read"
			if permissions.field("PermissionsEdit").value(of) == "true" {
				may = "edit"
			}
			item.Fields = append(item.Fields, permissions.field("Field").value(of)+": "+may)
		}
		for _, at := range o.children("PermissionSetAssignment", "PermissionSetId", string(r.id())) {
			item.Users = append(item.Users, o.userValue(id(assignments.field("AssigneeId").value(assignments.rows[at])), "Username"))
		}
		list = append(list, item)
	}
	return list
}

// addField makes a custom field as an administrator does by hand, in any edition.
func (o *Org) addField(w http.ResponseWriter, r *http.Request) {
	on := func(name string) bool { return r.PostFormValue(name) != "" }
	d := customField{FullName: r.PostFormValue("object") + "." + strings.TrimSpace(r.PostFormValue("name")) + "__c", Label: strings.TrimSpace(r.PostFormValue("label")),
		Type: r.PostFormValue("type"), ExternalID: on("external"), Unique: on("unique"), CaseSensitive: on("unique")}
	size, err := strconv.Atoi(orElse(strings.TrimSpace(r.PostFormValue("length")), "0"))
	if err != nil {
		o.showSetup(w, "the length is no number: "+r.PostFormValue("length"))
		return
	}
	d.size(size)
	users := o.state().Users
	o.mu.Lock()
	_, err = o.createField(o.admin, d)
	o.mu.Unlock()
	if err == nil && on("visible") {
		object, name, _ := strings.Cut(d.FullName, ".")
		for _, user := range users {
			if err == nil {
				err = o.SetVisible(user, object, name, true)
			}
		}
	}
	o.setupChanged(w, r, err)
}

// dropField deletes a custom field.
func (o *Org) dropField(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	at := o.findField(r.PathValue("field"))
	if at >= 0 {
		o.deleteField(o.admin, at)
	}
	o.mu.Unlock()
	var err error
	if at < 0 {
		err = refuse(404, "NOT_FOUND", "there is no such field")
	}
	o.setupChanged(w, r, err)
}

func (o *Org) setupChanged(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		o.showSetup(w, err.Error())
		return
	}
	http.Redirect(w, r, "/setup", http.StatusSeeOther)
}
