package salesforce

// profileObject is what users have in common. Field-level security by profile is not kept here, but for each user: see
// SetVisible.
func profileObject() *object {
	b := newObject("Profile", "Profile", "Profiles", "00e",
		&field{name: "Id", label: "Profile ID", kind: kindID, length: 18, readOnly: true, required: true, basic: true},
		&field{name: "Name", label: "Name", kind: kindString, length: 255, required: true, basic: true},
	)
	b.readOnly, b.setup = true, true
	return b
}

// profileField is the profile of a user.
func profileField() *field {
	return &field{name: "ProfileId", label: "Profile ID", kind: kindReference, length: 18, to: "Profile", relation: "Profile", readOnly: true, basic: true}
}

// seedProfiles makes the profiles that the org's users have, and returns them by name.
func (o *Org) seedProfiles() map[string]string {
	ids := map[string]string{}
	for _, name := range []string{"System Administrator", "Sales User", "Minimum Access - API Only Integrations", "Standard User"} {
		o.put("Profile", map[string]string{"Name": name})
		rows := o.table("Profile").rows
		ids[name] = string(rows[len(rows)-1].id())
	}
	return ids
}
