package salesforce

// journal remembers how to take back what was written since attempt began.
type journal struct {
	depth int
	undo  []func()
}

// note adds how to take back one change; outside of an attempt nobody will.
func (j *journal) note(back func()) {
	if j != nil && j.depth > 0 {
		j.undo = append(j.undo, back)
	}
}

// attempt writes all or nothing: when do returns an error, whatever it changed is as it was. Attempts may be
// made within attempts. The caller holds the lock for writing.
func (o *Org) attempt(do func() error) error {
	j := &o.journal
	mark := len(j.undo)
	j.depth++
	err := do()
	j.depth--
	if err != nil {
		for at := len(j.undo) - 1; at >= mark; at-- {
			j.undo[at]()
		}
		j.undo = j.undo[:mark]
	}
	if j.depth == 0 {
		j.undo = nil
		o.commit()
	}
	return err
}

// adopt makes tables those of the org. The caller holds the lock for writing, or is the only one that knows the org.
func (o *Org) adopt(tables map[string]*table) {
	o.tables = tables
	o.triggers.read = nil // which look into the tables
	linkPersons(tables)
	for _, t := range tables {
		t.journal = &o.journal
	}
}
