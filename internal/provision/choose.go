package provision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// alternatives is how many names with a number are tried when a name is taken.
const alternatives = 4

// names returns the API names that a field may get, the best one first. A name may have 40 characters before its
// ending, which is far away.
func names(prefix string, field bridge.Field) []string {
	found := []string{prefix + field.Name}
	if prefix != Prefixed {
		found = append(found, Prefixed+field.Name)
	}
	for n := range alternatives {
		if name := fmt.Sprintf("%s_%d", field.Name, n+2); !slices.ContainsFunc(bridge.Fields[:], func(f bridge.Field) bool { return f.Name == name }) {
			found = append(found, Prefixed+name)
		}
	}
	for i := range found {
		found[i] += "__c"
	}
	return found
}

// sight is what was seen of an object.
type sight struct {
	Description
	told    bool                                // Setup told which custom fields there are
	byID    map[bridge.SalesforceID]CustomField // those
	byName  map[string]CustomField              // by API name in lower case
	defined map[string]Definition               // of those that nobody remembers; likewise
}

func (s sight) named(name string) (CustomField, bool) {
	found, is := s.byName[strings.ToLower(name)]
	return found, is
}

// ours reports whether the field of a name was made by us: it says so, and is what the field has to be.
func (s sight) ours(name string, field bridge.Field) bool {
	d, known := s.defined[strings.ToLower(name)]
	return known && strings.Contains(d.Description, Mark) && misfit(field, d.Shape) == ""
}

// choose finds the fields that are there, and chooses the names of those that are not. A name that is taken by a field
// of somebody else's is left to them. It reports the names of fields for which no name is left.
func choose(fields []Field, prefix string, seen sight) (without []string) {
	for i := range fields {
		f := &fields[i]
		if found, is := seen.byID[f.ID]; is && f.ID != "" {
			f.Name = found.Name // as an administrator may have renamed it
			continue
		}
		if _, is := seen.named(f.Name); is && f.Hand {
			continue
		}
		f.Name, f.ID, f.Hand = "", "", false // of what is gone, too
		for _, name := range names(prefix, bridge.Fields[f.Index]) {
			found, taken := seen.named(name)
			if taken && !seen.ours(name, bridge.Fields[f.Index]) {
				continue
			}
			if f.Name = name; taken {
				f.ID, f.Name = found.ID, found.Name
			}
			break
		}
		if f.Name == "" {
			without = append(without, bridge.Fields[f.Index].Name)
		}
	}
	return without
}

// chooseByHand does the same for fields that an administrator makes: one with the name that we asked for, or with one
// that begins with RH_, was made for us if it is what it has to be. Fields that are hidden may be told or not.
func chooseByHand(fields []Field, prefix string, seen sight) (without []string) {
	used := map[string]bool{}
	exists := func(name string) bool {
		_, told := seen.named(name)
		_, visible := seen.Field(name)
		return told || visible
	}
	fits := func(name string, field bridge.Field) bool {
		shape, visible := seen.Field(name)
		return !visible || misfit(field, shape) == ""
	}
	for i := range fields {
		f := &fields[i]
		if found, is := seen.byID[f.ID]; is && f.ID != "" {
			f.Name = found.Name
		}
		asked := f.Name != "" && exists(f.Name) && slices.Contains(names(prefix, bridge.Fields[f.Index]), f.Name)
		if asked && !f.made() && fits(f.Name, bridge.Fields[f.Index]) {
			f.Hand = true
		}
		if asked || f.made() {
			used[strings.ToLower(f.Name)] = true
		}
	}
	for i := range fields {
		f := &fields[i]
		if f.made() || f.Name != "" && used[strings.ToLower(f.Name)] {
			continue
		}
		f.Name = ""
		for _, name := range names(prefix, bridge.Fields[f.Index]) {
			there := exists(name)
			if used[strings.ToLower(name)] || there && !(strings.HasPrefix(name, Prefixed) && fits(name, bridge.Fields[f.Index])) {
				continue
			}
			f.Name, f.Hand = name, there
			used[strings.ToLower(name)] = true
			break
		}
		if f.Name == "" {
			without = append(without, bridge.Fields[f.Index].Name)
		}
	}
	return without
}

// judge says how each field stands, after its object was described.
func judge(fields []Field, seen sight) {
	for i := range fields {
		f := &fields[i]
		shape, visible := seen.Field(f.Name)
		_, byName := seen.named(f.Name)
		_, byID := seen.byID[f.ID]
		was := f.State
		f.State, f.Detail = Planned, ""
		switch {
		case f.Name == "":
		case seen.told && f.ID != "" && !byID:
			f.State = Missing // and if there is one of its name, it is somebody else's
		case visible && misfit(bridge.Fields[f.Index], shape) != "":
			f.State, f.Detail = Differs, misfit(bridge.Fields[f.Index], shape)
		case visible && !f.made():
			// somebody else's, or not looked at yet
		case visible && !shape.Editable:
			f.State = ReadOnly
		case visible && f.Hand:
			f.State = HandMade
		case visible:
			f.State = Visible
		case !f.made() && was != Missing:
		case seen.told && f.Hand && !byName:
			f.State = Missing
		case seen.told && f.made():
			f.State = Hidden
		case seen.told:
			f.State = Missing
		case f.made():
			f.State = Unseen
		}
	}
}
