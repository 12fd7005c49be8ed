package referralhero

import (
	"net/mail"
	"slices"
	"strings"
)

// endpoints is the API: what is under /api/v2, and what answers it. {uuid} is a list; {subscriber} is the id
// of a verified subscriber of it.
var endpoints = map[string]endpoint{
	"GET /lists":                    lists,
	"POST /lists":                   createList,
	"GET /lists/{uuid}/leaderboard": leaderboard,
	"GET /lists/{uuid}/bonuses":     bonuses,
	"GET /lists/{uuid}/rewards":     rewards,

	"GET /lists/{uuid}/subscribers":                   subscribers,
	"POST /lists/{uuid}/subscribers":                  addSubscriber,
	"GET /lists/{uuid}/subscribers/retrieve_by_email": retrieveByEmail,
	"GET /lists/{uuid}/subscribers/retrieve_by_mwr":   retrieveByCode,
	"GET /subscribers/search_by_name":                 searchByName,

	"POST /lists/{uuid}/subscribers/track_referral_conversion_event": track,
	"POST /lists/{uuid}/subscribers/confirm":                         confirmByIdentifier,
	"POST /lists/{uuid}/subscribers/add_points":                      addPoints,
	"POST /lists/{uuid}/subscribers/add_transactions":                addTransaction,
	"POST /lists/{uuid}/subscribers/add_bulk_transactions":           addTransactions,
	"POST /lists/{uuid}/subscribers/update_reward_status":            updateReward,

	"GET /lists/{uuid}/subscribers/{subscriber}":                         retrieve,
	"POST /lists/{uuid}/subscribers/{subscriber}":                        update,
	"DELETE /lists/{uuid}/subscribers/{subscriber}":                      deleteSubscriber,
	"POST /lists/{uuid}/subscribers/{subscriber}/confirm":                confirm,
	"POST /lists/{uuid}/subscribers/{subscriber}/unqualify":              unqualify,
	"POST /lists/{uuid}/subscribers/{subscriber}/qualify":                qualify,
	"POST /lists/{uuid}/subscribers/{subscriber}/promote":                promote,
	"POST /lists/{uuid}/subscribers/{subscriber}/unlock_promoted_reward": unlockReward,
	"GET /lists/{uuid}/subscribers/{subscriber}/rewards":                 rewards,
	"GET /lists/{uuid}/subscribers/{subscriber}/referred":                referrals(1, everyStatus),
	"GET /lists/{uuid}/subscribers/{subscriber}/level_1_referrals":       referrals(1, onlyConfirmed),
	"GET /lists/{uuid}/subscribers/{subscriber}/level_2_referrals":       referrals(2, onlyConfirmed),
	"GET /lists/{uuid}/subscribers/{subscriber}/level_3_referrals":       referrals(3, onlyConfirmed),
	"GET /lists/{uuid}/subscribers/{subscriber}/level_2_all_referrals":   referrals(2, everyStatus),
	"GET /lists/{uuid}/subscribers/{subscriber}/level_3_all_referrals":   referrals(3, everyStatus),
}

// Objects on a page of a list.
const (
	listsPerPage       = 10
	subscribersPerPage = 50
	rewardsPerPage     = 10
)

type pagination struct {
	TotalPages   int `json:"total_pages"`
	CurrentPage  int `json:"current_page"`
	PerPage      int `json:"per_page"`
	TotalObjects int `json:"total_objects"`
}

// paged returns the part of all that the parameter page asks for. A page beyond the last is empty.
func paged[T any](c *call, all []T, size int) ([]T, pagination, error) {
	page := max(c.integer("page"), 1)
	if err := c.err(); err != nil {
		return nil, pagination{}, err
	}
	from := min((page-1)*size, len(all))
	return all[from:min(from+size, len(all))], pagination{(len(all) + size - 1) / size, page, size, len(all)}, nil
}

type shownList struct {
	UUID        string  `json:"uuid"`
	Name        string  `json:"name"`
	Subscribers int     `json:"subscribers"`
	CreatedAt   int64   `json:"created_at"`
	Type        *string `json:"type"` // of lists older than this API
}

func (c *campaign) shown() shownList {
	return shownList{UUID: c.UUID, Name: c.Name, Subscribers: len(c.members), CreatedAt: c.CreatedAt}
}

func lists(s *Service, c *call) (any, error) {
	active := []shownList{}
	for _, campaign := range s.campaigns {
		if !campaign.Paused {
			active = append(active, campaign.shown())
		}
	}
	page, pages, err := paged(c, active, listsPerPage)
	return struct {
		Response   string      `json:"response"`
		Lists      []shownList `json:"lists"`
		Pagination pagination  `json:"pagination"`
	}{"lists_retrieved", page, pages}, err
}

func createList(s *Service, c *call) (any, error) {
	list := List{Name: c.text("name"), URL: c.text("website")}
	if err := c.err(); err != nil {
		return nil, err
	}
	switch {
	case list.Name == "":
		return nil, refuse("no_name", "The name is missing")
	case list.URL == "":
		return nil, refuse("error_list_creation", "The website is missing")
	}
	return struct {
		Response string `json:"response"`
		shownList
	}{"list_created", s.addCampaign(list).shown()}, nil
}

func leaderboard(_ *Service, c *call) (any, error) {
	n := 10
	if c.has("count") {
		n = min(max(c.integer("count"), 10), 100)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	leaders := c.inOrder("position_asc")
	leaders = leaders[:min(n, len(leaders))]
	return struct {
		Response string   `json:"response"`
		Ranking  []answer `json:"ranking"`
		Count    int      `json:"count"`
	}{"leaderboard_retrieved", c.showAll(leaders), len(leaders)}, nil
}

func bonuses(_ *Service, c *call) (any, error) {
	return append([]Bonus{}, c.Bonuses...), nil
}

func (c *campaign) showAll(members []*member) []answer {
	shown := make([]answer, len(members))
	for i, m := range members {
		shown[i] = c.show(m, "")
	}
	return shown
}

type shownSubscribers struct {
	Response    string     `json:"response"`
	Subscribers []answer   `json:"subscribers"`
	Pagination  pagination `json:"pagination"`
}

func (c *call) subscribersPage(members []*member) (any, error) {
	page, pages, err := paged(c, members, subscribersPerPage)
	if err != nil {
		return nil, err
	}
	return shownSubscribers{"subscribers_retrieved", c.showAll(page), pages}, nil
}

func subscribers(_ *Service, c *call) (any, error) {
	members := c.inOrder(c.text("sort_by"))
	for name, attribute := range filters {
		if want := c.text(name); c.has(name) {
			members = only(members, func(m *member) bool { return attribute(m) == want })
		}
	}
	return c.subscribersPage(members)
}

// filters are the parameters of the list of subscribers that select by an exact value.
var filters = map[string]func(*member) string{
	"extra_field":        func(m *member) string { return m.ExtraField },
	"extra_field_2":      func(m *member) string { return m.ExtraField2 },
	"option_field":       func(m *member) string { return m.OptionField },
	"stripe_customer_id": func(m *member) string { return m.StripeCustomerID },
}

func only(members []*member, keep func(*member) bool) []*member {
	var kept []*member
	for _, m := range members {
		if keep(m) {
			kept = append(kept, m)
		}
	}
	return kept
}

func retrieve(_ *Service, c *call) (any, error) {
	return c.show(c.member, "subscriber_retrieved"), nil
}

func retrieveByEmail(_ *Service, c *call) (any, error) {
	email := ByEmail.normal(c.text("email"))
	if err := c.err(); err != nil {
		return nil, err
	}
	if email == "" {
		return nil, refuse("no_email_address", "The email is missing")
	}
	if c.Identifier == ByEmail {
		return c.found(c.find(email))
	}
	for _, m := range c.members { // not the identifier, so several may have it: the first is taken
		if ByEmail.normal(m.Email) == email {
			return c.found(m)
		}
	}
	return nil, errNoSubscriber
}

func retrieveByCode(_ *Service, c *call) (any, error) {
	code := c.text("mwr")
	if err := c.err(); err != nil {
		return nil, err
	}
	if code == "" {
		return nil, refuse("no_mwr", "The mwr is missing")
	}
	return c.found(seen(c.byCode[code]))
}

func (c *call) found(m *member) (any, error) {
	if m == nil {
		return nil, errNoSubscriber
	}
	return c.show(m, "subscriber_retrieved"), nil
}

func searchByName(s *Service, c *call) (any, error) {
	name := strings.ToLower(c.text("name"))
	if err := c.err(); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, refuse("no_name", "The name is missing")
	}
	type hit struct {
		*campaign
		*member
	}
	var hits []hit
	for _, campaign := range s.campaigns {
		for _, m := range campaign.members {
			if strings.Contains(strings.ToLower(m.Name), name) {
				hits = append(hits, hit{campaign, m})
			}
		}
	}
	page, pages, err := paged(c, hits, subscribersPerPage)
	shown := make([]answer, len(page))
	for i, h := range page {
		shown[i] = h.show(h.member, "")
	}
	return shownSubscribers{"subscribers_retrieved", shown, pages}, err
}

func everyStatus(*member) bool     { return true }
func onlyConfirmed(m *member) bool { return m.Status == Confirmed }

// referrals answers with those whom a subscriber brought, directly at level 1, through others at levels 2
// and 3.
func referrals(level int, keep func(*member) bool) endpoint {
	return func(_ *Service, c *call) (any, error) {
		members := []*member{c.member}
		for range level {
			var below []*member
			for _, m := range members {
				below = append(below, m.referrals...)
			}
			members = below
		}
		members = only(members, func(m *member) bool { return seen(m) != nil && keep(m) })
		compare, _ := order(c.text("sort_by"))
		slices.SortFunc(members, compare)
		return c.subscribersPage(members)
	}
}

// identify returns the verified subscriber whom the campaign's identifier among the parameters names.
func (c *call) identify() (*member, error) {
	value := c.text(string(c.Identifier))
	if err := c.err(); err != nil {
		return nil, err
	}
	if value == "" {
		return nil, c.Identifier.missing()
	}
	if m := c.find(value); m != nil {
		return m, nil
	}
	return nil, errNoSubscriber
}

// missing is the refusal of a call without the identifier.
func (kind Identifier) missing() error {
	if kind == ByEmail {
		return refuse("no_email_address", "The email is missing")
	}
	return refuse("no_"+string(kind), "The "+string(kind)+" is missing")
}

// validEmail says in words why an address is refused, or nothing. The vendor's own rule is not published.
func validEmail(address string) error {
	parsed, err := mail.ParseAddress(address)
	domain := address[strings.LastIndexByte(address, '@')+1:]
	dot := strings.LastIndexByte(domain, '.')
	if err != nil || parsed.Address != address || dot < 1 || dot == len(domain)-1 || len(address) > 254 {
		return refuse("invalid_email_address", "The email is not a valid address")
	}
	return nil
}
