// Package internal is the house. It stands on floors, and imports point down.
//
//	0  bridge       the nouns, and the one vocabulary of failure
//	1  effect       plan, claim, call, confirm: for calls that must not be made twice
//	   budget       rolling-window leases of calls, by lane
//	2  signin       who is at the console
//	   connect      Salesforce orgs: consent, tokens, keep-alive, disconnect
//	   doctor       what keeps a connection from its work, and who can put it right
//	   plumbing     what an org sends us messages by: installed, watched, taken away
//	   campaign     the ReferralHero account and its campaigns
//	   importer     contacts become subscribers
//	   inbox        ReferralHero's webhooks become hints
//	   provision    the fourteen fields in an org, and who sees them
//	   syncer       the fields show what ReferralHero says of subscribers
//	   conversion   deals move referrals and total spend
//	   erasure      an account and everything that is kept for it
//	   letter       messages that their queues have given up, and whose work they were
//	3  salesforce referralhero oidc            conversations with the outside
//	   store queue secrets mail metric invoke  conversations with AWS
//	   apigw config metric                     the edge
//	4  functions/*  a folder, a binary, a Lambda; here neighbours meet
//	W  sim/* local  the workshop: the other sides over HTTP, and the whole system on one machine
//
// Use cases declare the small interfaces that they need and know neither each other nor the adapters.
// Adapters translate every foreign error into a bridge.Kind and do not know each other. Nothing that is
// deployed imports the workshop. floors_test.go holds all this true.
package internal
