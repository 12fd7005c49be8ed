// Package store keeps everything in one DynamoDB table. No operation scans it.
//
// Partition keys begin with the account, so that nothing can reach from one account into another; the
// exceptions are look-ups by a secret or by a person, which carry the account inside.
//
//	pk                        sk                        holds                         written if
//	ACCOUNT#<account>         ACCOUNT                   Account; its token sealed     version as read
//	ACCOUNT#<account>         BUDGET#<name>             rolling window of calls       version as read
//	ACCOUNT#<account>         CONNECTION#<connection>   Connection                    absent / version as read
//	ACCOUNT#<account>         ORG#<org>#<user>          the connection of that grant  absent
//	ACCOUNT#<account>         GRANT#<connection>        Grant; its tokens sealed      versions and lease as read
//	ACCOUNT#<account>         DOCTOR#<connection>       what the doctor found         absent / not later
//	ACCOUNT#<account>         PLUMBING#<connection>     Installation; hooks sealed    absent / version as read
//	ACCOUNT#<account>         FIELDS#<connection>       provision.Setup               absent / version as read
//	ACCOUNT#<account>         LAYOUT#<conn>#<object>    Layout                        absent / version as read
//	ACCOUNT#<account>         LETTER#<message>          Letter; it expires            absent, and no erasure; deleted
//	ACCOUNT#<account>         ERASURE                   the account is being erased   absent / due as read
//	ACCOUNT#<account>         CAMPAIGN#<list>           Campaign                      version as read
//	ACCOUNT#<account>         IMPORT#<import>           Import                        version as read
//	ACCOUNT#<account>         RUNNING#<list>            the import that runs there    absent
//	ACCOUNT#<account>         EFFECT#<kind>#<subject>   a call that must happen once  state and fence as read
//	ACCOUNT#<account>         WEBHOOK                   Webhook; its secrets sealed   version as read
//	ACCOUNT#<account>         REPLAY#<hash>             a body that webhooks brought  absent / as read
//	ACCOUNT#<account>         TRACE#<its partition>     what is found by its hash     absent / there
//	ACCOUNT#<account>         SYNC#<list>               Sync of a campaign            version as read
//	ACCOUNT#<account>         OWNER#<connection>#<object>  whose values the fields show  absent / the same campaign
//	ACCOUNT#<account>         TURN#<connection>         who may write to the org      version as read / holder
//	ACCOUNT#<account>         CAUSE#<list>#<cause>      when a cause is tried again   absent / due as read
//	ACCOUNT#<account>         RULES#<list>              RuleSet                       absent / version, or step, as read
//	ACCOUNT#<account>         EDIT#<list>#<id>          what somebody did to a rule   absent, with the rules
//	ACCOUNT#<account>         LEDGER#<list>#<deal>#<rule>  Entry                      absent / version as read
//	ACCOUNT#<account>         CONVERSION#<list>#<kind>#<subject>#<currency>  Effect   absent / version as read
//	ACCOUNT#<account>         PAID#<list>#<deal>        what was told of a deal       absent / version as read
//	ACCOUNT#<account>         MATCH#<list>#<contact>    who a contact is              absent / version as read
//	ACCOUNT#<account>         REVIEW#<list>#<about>     Review                        absent / version as read
//	ACCOUNT#<account>         ACTION#<list>#<id>        a line of the activity        absent, with its effect
//	ACCOUNT#<account>         WATCH#<connection>        Watch                         absent / version as read
//	ACCOUNT#<account>         WINDOW#<connection>#<at>  a statement                   absent, with its watch
//	ACCOUNT#<account>         PARKED#<connection>#<id>  deals whose message waits     absent / version as read
//	SYNC#<account>#<list>     LINK#<subscriber>         Link                          version as read
//	SYNC#<account>#<list>     NEEDS#<cause>#<subscriber>  a refused record's place    with its link
//	SYNC#<account>#<list>     RUN#<run>                 Run and its statement         version as read
//	SYNC#<account>#<list>     SEEN#<run>#<part>         whom a run has met            any: the run counts its parts
//	SYNC#<account>#<list>     LOAD#<load>               a bulk load that is over      any: it says one thing only
//	SYNC#<account>#<list>     DAY#<day>                 what a day has seen           any: it is added up, for people
//	IMPORT#<account>#<import> PAGE#<page>               Page                          absent / fence as held
//	IMPORT#<account>#<import> PAGE#<page>#<chunk>       Receipt                       absent / older pass, or not complete
//	PERSON#<hash>             PERSON                    account of a person           absent
//	SESSION#<hash>            SESSION                   Session                       absent / seen as read; deleted
//	SIGNIN#<hash>             SIGNIN                    a sign-in that was begun      absent; taken by deleting it
//	WEBHOOK#<hash>            WEBHOOK                   account of an address         absent; ends once replaced
//	CONSENT#<hash>            CONSENT                   a consent that was begun      absent; used once
//	MESSAGEHOOK#<hash>        MESSAGEHOOK               where an org's messages go    absent; seen as read; not ended
//
// A page is finished by the one write of its IMPORT that takes it off the list of open pages and adds its
// counts.
//
// An entry of the ledger, the effects that follow from it, what was told of its deal, and what people see of it are
// written by one transaction.
//
// The sparse index "due" (shard, dueAt) finds work that waits: an import that runs carries both
// attributes, and nothing that has ended does. Other work has shards of its own in it: connections to be examined,
// installations of flows and messages to go on with, fields to be looked at, what conversions have to do,
// connections whose account has yet to hear that they do not work, grants to be kept alive, accounts to be erased, and the
// dead letters of each queue, by the time at which they died. A letter that names no account has an empty one.
//
// Items that expire carry "expires" in Unix seconds. DynamoDB removes them days later at best, so every
// read compares it with the clock.
//
// Rows say in which form they were written ("schema"), so that two releases may work beside each other; see schema.go.
//
// Numbers of versions rise by one with each write. A condition that fails is a bridge.Conflict, a normal
// answer. Secrets are sealed with the account, the item and the attribute as associated data: a
// ciphertext that was copied to another row does not open.
package store
