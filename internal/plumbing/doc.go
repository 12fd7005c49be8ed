// Package plumbing installs, in a customer's org, what tells us of opportunities: an outbound message, and a flow that
// sends it whenever an opportunity is made or its stage or amount changes. There is one pair for a connection, whatever
// its rules: which stages count is decided on our side, so that a rule needs no deployment.
//
// # How it goes
//
// A row says what is wished for (Wish), how it is done (Route), where it is (Stage), what keeps it (Fault) and when to
// go on (DueAt). Work takes a row on from wherever it is, by a few calls, and puts itself off when it has to wait; the
// sweep sends a job for each row that is due, so that a lost job or a dead worker costs time and nothing else. A worker
// takes a row by a write that makes it due again after lease: two at a time do not do the same thing.
//
//	Preparing -> Comparing -> Deploying -> Landing -> Comparing -> Resting      by deployment
//	                  |                                  |
//	                  +---------- Activating ------------+                      where flows land inactive
//	Preparing -> Comparing -> Resting or waiting there                          by hand, for who lacks rights
//	Preparing -> Resting                                                        polling only: Professional edition
//	Removing  -> Gone
//
// Landing ends in Stopped if the org refuses, until somebody asks again.
//
// Comparing is the one place that decides: it reads the org's flow and message, and what differs from what should be
// there is deployed, activated or shown. So a call whose answer was lost is never repeated blindly, a second worker
// does no harm, and a check a day later is the same as the last step of an installation. What a person has changed by
// hand is shown, and mended only when somebody asks for it.
//
// # Names
//
// Flow and message are called RH_Opportunity_Stage. If the org has something of that name that is not ours (another
// account's installation, or a copy that came with a sandbox), it is left alone, and ours get a name of their own.
//
// # What it costs
//
// Calls of the org's allowance, as tests hold it: 11 to install, and 2 more where the flow has to be activated, besides
// one for each look at a deployment that waits; 4 a day to check; 6, and one for each version of the flow, to remove.
package plumbing
