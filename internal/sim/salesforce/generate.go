package salesforce

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"time"
)

// person is a name, and its owner's usual mailbox where the name is not written in Latin letters.
type person struct{ first, last, mailbox string }

// people are drawn beside the combinations of first and last names: names that trip software up.
var people = []person{
	{"Ελένη", "Παπαδοπούλου", "eleni.papadopoulou"},
	{"Νίκος", "Ανδρέου", "nikos.andreou"},
	{"Анна", "Кузнецова", "anna.kuznetsova"},
	{"Сергій", "Шевченко", "serhii.shevchenko"},
	{"ليلى", "الحسن", "layla.alhasan"},
	{"عمر", "خليل", "omar.khalil"},
	{"伟", "王", "wei.wang"},
	{"美咲", "佐藤", "misaki.sato"},
	{"민준", "김", "minjun.kim"},
	{"José", "Nuñez", "jose.nunez"},
	{"Zoë", "Müller-Lüdenscheidt", "zoe.mueller"},
	{"Siobhán", "O'Connor", "siobhan.o'connor"},
	{"Łukasz", "Żółć", "lukasz.zolc"},
	{"Jean-Luc", "d'Aubigné", "jl.daubigne"},
	{"", "Björk", "bjork"},
	{"İpek", "Yıldız", "ipek.yildiz"},
	{"Nguyễn", "Thị Ánh", "anh.nguyen"},
	{"Ann \"Annie\"", "Mc\\Call", "annie.mccall"},
}

var (
	firstNames = strings.Fields("Ada Amir Ben Carla Chen Dana Diego Elsa Emma Felix Grace Hanna Ines Ivan Jonas Julia Kenji Lara Liam Maria Mark Nadia Noah Olga Omar Paula Priya Quinn Rosa Ruth Sam Sara Tom Uma Vera Will Xenia Yara Zoe")
	lastNames  = strings.Fields("Adams Baker Becker Brown Clark Costa Diaz Evans Fischer Garcia Green Haddad Hansen Hill Ito Jensen Jones Kaya King Klein Kumar Lee Lopez Martin Meyer Moore Novak Olsen Patel Perez Reed Rossi Scott Silva Singh Smith Tanaka Taylor Turner Weber White Wong Young Ziegler")
	titles     = []string{"Buyer", "Owner", "Marketing Manager", "Head of Sales", "Engineer", "Store Manager", "Director", ""}
	companies  = strings.Fields("Alpine Harbor Lantern Cedar Granite Meadow Compass Juniper Summit Prairie Willow Copper Falcon Maple Northwind Orchid Quarry Raven Sable Timber")
	trades     = []string{"Outfitters", "Foods", "Logistics", "Studio", "Hotels", "Books", "Cycles", "Software", "Bakery", "Supply", "Tours", "Design"}
	forms      = []string{"Inc.", "GmbH", "Ltd", "& Sons", "LLC", "S.A."}
	malformed  = []string{"none", "n/a", "%s@", "@example.com", "%s at example.com", "%s@example", "%s@@example.com", "%s@exa mple.com", "%s.example.com", "mailto:%s@example.com"}
)

// Generate makes n contacts, the same ones for the same seed, one after the other: about 2 in 100
// share the address of an earlier one (half of these in other letters), 3 have none, 1 has one that is
// malformed, 4 opted out of e-mail, 1 bounced, 6 have a name beyond ASCII, 12 no account.
func Generate(n int, seed uint64) iter.Seq[Contact] {
	return func(yield func(Contact) bool) {
		random := rand.New(rand.NewPCG(seed, 3))
		begin := time.Date(2023, 1, 9, 8, 0, 0, 0, time.UTC)
		accounts := uint64(max(1, n/8))
		var earlier [64]string // addresses that may be shared
		for i := range n {
			c := Contact{ID: string(makeID("003", uint64(i)+1)), Title: titles[random.IntN(len(titles))]}
			mailbox := ""
			if random.IntN(100) < 6 {
				p := people[random.IntN(len(people))]
				c.FirstName, c.LastName, mailbox = p.first, p.last, p.mailbox
			} else {
				c.FirstName, c.LastName = firstNames[random.IntN(len(firstNames))], lastNames[random.IntN(len(lastNames))]
				mailbox = strings.ToLower(c.FirstName + "." + c.LastName)
			}
			unique := fmt.Sprintf("%s.%d@example.com", mailbox, i+1)
			switch dice := random.IntN(200); {
			case dice < 4 && earlier[0] != "":
				c.Email = earlier[random.IntN(min(i, len(earlier)))]
				if dice < 2 {
					c.Email = strings.ToUpper(c.Email[:1]) + c.Email[1:strings.IndexByte(c.Email, '@')] + "@Example.COM"
				}
			case dice < 10:
			case dice < 12:
				c.Email = strings.ReplaceAll(malformed[random.IntN(len(malformed))], "%s", mailbox)
			default:
				c.Email = unique
			}
			earlier[i%len(earlier)] = unique
			if random.IntN(100) >= 12 {
				c.AccountID = string(makeID("001", random.Uint64N(accounts)+1))
			}
			if random.IntN(3) > 0 {
				c.Phone = fmt.Sprintf("+1 555 %03d %04d", random.IntN(1000), random.IntN(10000))
			}
			c.HasOptedOutOfEmail = random.IntN(100) < 4
			c.Created = begin.Add(time.Duration(i) * 33 * 30 * 24 * time.Hour / time.Duration(n)).Truncate(time.Second)
			c.Modified = c.Created
			if random.IntN(100) == 0 && c.Email != "" {
				c.EmailBounced = c.Created.AddDate(0, 1, 0)
				c.Modified = c.EmailBounced
			}
			if !yield(c) {
				return
			}
		}
	}
}

// company names an account that is known by its id only: always the same for the same id.
func company(of id) (name, trade string) {
	n := 0
	for _, c := range []byte(of.short()[5:]) {
		n = n*62 + strings.IndexByte(digits, c)
	}
	n = max(n, -n)
	trade = trades[n/len(companies)%len(trades)]
	name = companies[n%len(companies)] + " " + trade + " " + forms[n/(len(companies)*len(trades))%len(forms)]
	if round := n / (len(companies) * len(trades) * len(forms)); round > 0 {
		name += fmt.Sprintf(" %d", round%100_000+1)
	}
	return name, trade
}
