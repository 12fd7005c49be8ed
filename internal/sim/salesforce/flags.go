package salesforce

import "flag"

// Flags registers an org's options on fs, and returns the Options that fs.Parse will fill.
func Flags(fs *flag.FlagSet) *Options {
	o := new(Options)
	fs.IntVar(&o.Generated, "contacts", 1000, "`number` of generated contacts")
	return o
}
