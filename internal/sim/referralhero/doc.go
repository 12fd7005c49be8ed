// Package referralhero is a ReferralHero that runs on one machine: the REST API v2 that the product calls,
// and a few pages on which a person can see what happened. It is for tests, trials and demonstrations.
//
// What ReferralHero documents is done as documented. Where its documentation is silent or contradicts what
// live clients have seen, the stricter reading is the default and a switch gives the other one; the flags
// of [Flags] are the list of switches. Time, latency and rate windows run on the clock of [Options], so that
// an hour's allowance can be watched in a minute.
//
// # Paths
//
//	/api/v2/...                   the API; see the table endpoints
//	/                             campaigns
//	/lists/{uuid}                 a campaign: its settings and its subscribers; add, verify, delete
//	/mails                        the mails that ReferralHero would have sent
//	/faults                       every switch, as a form
//
// Tools use the same controls as JSON:
//
//	GET  /__control/counts        Counts: calls by endpoint, answers 429, most calls at once
//	POST /__control/counts/reset  begins counting anew
//	GET  /__control/calls         the log of calls, oldest first
//	GET  /__control/switches      name -> value
//	POST /__control/switches      {"name": "value", ...}: changes switches while it runs
//	GET  /__control/mails         {"counts": {campaign: {mail: n}}, "latest": [...]}
//	GET  /__control/lists         the campaigns with their settings
//	PUT  /__control/lists/{uuid}  changes or makes a campaign
//	POST /__control/lists/{uuid}/verify/{id}  clicks the link of somebody's confirmation mail
//	GET  /__control/token         the API token
//	POST /__control/token         makes a new one, as the dashboard can; the old one is dead
//
// # Guesses
//
// Some error codes are not published, and are invented here so that a call can be refused at all:
// invalid_parameter, no_phone_number and its siblings, no_referrer, wrong_goal, already_completed,
// no_amount, invalid_amount, too_many_transactions, no_reward_id, reward_not_found, no_mwr, not_found.
// A client that treats an unknown code by its HTTP status treats all of them well.
package referralhero
