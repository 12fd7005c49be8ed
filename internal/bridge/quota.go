package bridge

import "time"

// Quota is what an answer of ReferralHero tells about the account's allowance of calls.
type Quota struct {
	Left int       // calls left in the hour; negative if the answer did not say
	At   time.Time // ReferralHero's clock, to the second; zero if the answer did not say
}

// SubscriberPage is one page of a campaign's subscribers.
type SubscriberPage struct {
	Subscribers []Subscriber
	Pages       int // of the whole list; 0 or 1 is the only page
	Total       int // subscribers in the list; negative if the answer did not say
}
