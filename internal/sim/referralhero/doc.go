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
//	/lists/{uuid}/webhooks        its webhooks: add, change, test, switch on and off
//	/deliveries                   what webhooks were told, and what they answered; the webhook secret
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
//	GET    /__control/lists/{uuid}/webhooks            the webhooks of a campaign
//	POST   /__control/lists/{uuid}/webhooks            {"url": ..., "events": [...]}: makes one; without events, for all
//	PUT    /__control/lists/{uuid}/webhooks/{id}       changes one, and with "off" switches it on or off
//	DELETE /__control/lists/{uuid}/webhooks/{id}
//	POST   /__control/lists/{uuid}/webhooks/{id}/test  sends made-up data; what came of it
//	GET    /__control/deliveries                       the newest thousand, oldest first
//	GET    /__control/webhook-secret                   {"current": ..., "previous": ...}
//	POST   /__control/webhook-secret                   makes a new one
//
// # Webhooks
//
// A webhook of a campaign is told of [WebhookEvents] by a POST of JSON, signed with the account's secret over the
// raw body. It succeeds with status 200 and with no other. A delivery that fails is tried again after one minute
// and after three more; ten failures in a row, over all deliveries, switch the webhook off, and nobody is told but
// its page. Deliveries run in the background, a few at once, so that none waits for another and nothing promises
// their order. A signature is made when the event happens, so that renewing the secret leaves deliveries on the way
// that are signed with the one before. Switches sign otherwise or not at all, delay, reorder, repeat and lose.
//
// # Guesses
//
// Some error codes are not published, and are invented here so that a call can be refused at all:
// invalid_parameter, no_phone_number and its siblings, no_referrer, wrong_goal, already_completed,
// no_amount, invalid_amount, too_many_transactions, no_reward_id, reward_not_found, no_mwr, not_found.
// A client that treats an unknown code by its HTTP status treats all of them well.
//
// Of webhooks only the body of new_registration is published, with its three shapes of referral. The others have
// the same body here, and those of rewards have reward_id, reward_name and reward_status too. The pauses between
// attempts, the ten seconds to answer, that the Test button tries once and counts for nothing, and that somebody who
// never verified is deleted without a word, are guesses as well.
package referralhero
