// Package doctor finds out what keeps a Salesforce connection from doing its work, before the work does, and says
// it so that an administrator of the org can mend it: what is wrong, what it breaks, who can put it right, and where
// in Setup.
//
// An examination asks the org itself, with the connection's own access, and costs about eight of its API calls. It is
// made when an org is connected, once a day, and when a person asks for it. A connection that Salesforce does not let in
// is not asked anything: its state tells what is wrong.
package doctor
