package salesforce

import (
	"net/http"
	"strconv"
	"strings"
)

// EditField does to a custom field what an administrator can do to it under Setup: give it another API name, or another
// type, with the length of a text or the digits of a number. With another type, what records hold in it is lost. What is
// empty or 0 stays. The full name is that of the API, such as Contact.RH_CODE__c.
func (o *Org) EditField(fullName, name, kind string, size int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := o.findField(fullName)
	if at < 0 {
		return refuse(404, "NOT_FOUND", "there is no field "+fullName)
	}
	t := o.table("CustomField")
	d, err := t.definition(t.rows[at])
	if err != nil {
		return err
	}
	object, was, err := d.names()
	if err != nil {
		return err
	}
	to := o.table(object)
	f := to.field(was + "__c")
	if kind != "" && kind != d.Type {
		d = customField{FullName: d.FullName, Description: d.Description, InlineHelpText: d.InlineHelpText, Label: d.Label, Type: kind}
		d.size(size)
		if err := d.check(); err != nil {
			return err
		}
		for at, r := range to.rows {
			values := r.values(to.width)
			values[f.at] = ""
			to.rows[at] = packRow(values)
		}
		delete(to.indexes, f)
	}
	if name = strings.TrimSuffix(strings.TrimSpace(name), "__c"); name == "" {
		name = was
	}
	d.FullName = to.name + "." + name + "__c"
	if _, _, err := d.names(); err != nil {
		return err
	}
	if other := to.field(name + "__c"); other != nil && other != f {
		return refuse(400, "DUPLICATE_DEVELOPER_NAME", "There is already a field named "+name+" on "+to.name+".")
	}
	delete(to.byName, fold(f.name))
	d.apply(f, name)
	to.byName[fold(f.name)] = f
	values := t.rows[at].values(t.width)
	values[t.field("DeveloperName").at] = name
	o.storeField(o.admin, at, values, d)
	o.renamePermissions(fullName, d.FullName)
	return nil
}

// size gives a definition the length or the digits that its type takes.
func (d *customField) size(n int) {
	switch d.Type {
	case "Number":
		d.Precision = n
	case "Text":
		d.Length = n
	case "LongTextArea":
		d.Length, d.VisibleLines = n, 3
	case "Checkbox":
		d.DefaultValue = "false"
	}
}

// renamePermissions lets what was said of a field be said of its new name.
func (o *Org) renamePermissions(was, is string) {
	for _, shown := range o.profiles {
		if visible, said := shown[fold(was)]; said {
			delete(shown, fold(was))
			shown[fold(is)] = visible
		}
	}
	t := o.table("FieldPermissions")
	for at, r := range t.rows {
		if strings.EqualFold(t.field("Field").value(r), was) {
			values := r.values(t.width)
			values[t.field("Field").at] = is
			o.store(o.admin, t, at, values)
		}
	}
}

// SetAssigned gives a permission set to a user, or takes it away, as an administrator does. user is a username.
func (o *Org) SetAssigned(user, set string, assigned bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	who, ok := o.user(user)
	at := o.findPermissionSet(set)
	if !ok || at < 0 {
		return refuse(404, "NOT_FOUND", "no such user or permission set")
	}
	of := string(o.table("PermissionSet").rows[at].id())
	by, t := o.visitor(), o.table("PermissionSetAssignment")
	if assigned {
		_, err := o.create(by, t, map[string]any{"AssigneeId": string(who.id()), "PermissionSetId": of})
		return err
	}
	for _, at := range o.children(t.name, "PermissionSetId", of) {
		if t.field("AssigneeId").value(t.rows[at]) == string(who.id()) {
			return o.remove(by, t, at)
		}
	}
	return nil
}

func (o *Org) changeField(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(orElse(strings.TrimSpace(r.PostFormValue("length")), "0"))
	if err == nil {
		err = o.EditField(r.PathValue("field"), r.PostFormValue("name"), r.PostFormValue("type"), size)
	}
	o.setupChanged(w, r, err)
}

func (o *Org) revealField(w http.ResponseWriter, r *http.Request) {
	object, name, _ := strings.Cut(r.PathValue("field"), ".")
	o.setupChanged(w, r, o.SetVisible(r.PostFormValue("user"), object, name, r.PostFormValue("visible") != ""))
}

func (o *Org) changeAssignment(w http.ResponseWriter, r *http.Request) {
	o.setupChanged(w, r, o.SetAssigned(r.PostFormValue("user"), r.PathValue("set"), r.PostFormValue("assigned") != ""))
}
