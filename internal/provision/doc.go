// Package provision gives an org the fourteen fields, lets the right people see them, and keeps track of both.
//
// # What is ours
//
// A field is ours if we remember its id, or if its description carries Mark and its type is the right one. Nothing else
// is ever adopted, altered or deleted: a field of the customer's that has a name we would like keeps it, and ours gets
// another one. Names are chosen before a field is made and never changed afterwards; a field that an administrator
// renames is followed by its id. The same goes for our two permission sets: RH_Integration lets the connected user edit
// the fields, RH_Reader lets the customer's people read them. Writing a permission set replaces what is in it
// (https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_permissionset.htm), so what is there is
// read first and kept: other connections to the same org have their fields in the same two sets.
//
// # How it is done
//
// There is one setup for a connection, with the fields of contacts and, if leads carry them too, of leads: a lead that
// is converted is followed to its contact. A job looks at what the org has and does what is missing, from the
// first step on, however often and wherever an earlier one was killed: looking is cheaper than remembering. What has to
// be remembered, the names, is written before they are used. The last step describes the object as the connected
// user, again and again for up to a minute, by jobs that are put off: Salesforce takes a while until permissions count.
//
// In an org whose edition or whose user does not let apps make fields, an administrator makes them by hand from a list.
// They are found by their names, and count as ours to write, never to alter.
//
// # Afterwards
//
// A check looks again without changing anything but the access of people whose profile was picked. It is made once a day
// and whenever a person asks for it, and every hour as long as a field cannot be written; what is wrong is said with who can
// mend it, and Repair does again what Begin did.
//
// # Corners
//
// Our mark does not say whose account made a field: two accounts that connect the same org with the same prefix share
// the fields, and Remove takes away nothing that another connected user needs. Where Setup does not tell which fields there
// are, one that was deleted and made anew by somebody else under the same name is taken for ours.
package provision
