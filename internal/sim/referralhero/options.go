package referralhero

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options say what a Service is like. The zero value is ReferralHero as documented: three campaigns with a
// few subscribers, and 5,000 calls in an hour.
type Options struct {
	Now         func() time.Time // the clock; nil means time.Now
	Speed       float64          // how much faster than Now the clock runs; 0 means 1
	Seed        uint64           // of ids, codes, the default token and jitter
	Token       string           // the API token that is accepted; empty means one made from Seed
	Lists       []List           // the campaigns; nil means three examples
	Subscribers int              // that many more in the first campaign

	WebhookSecret string            // the key of signatures; empty means one made from Seed
	Transport     http.RoundTripper // takes what is sent to webhooks; nil means a plain one

	Limit      int           // calls in a window; 0 means 5,000
	Window     time.Duration // 0 means an hour
	WindowKind WindowKind    // "" means Fixed
	Latency    time.Duration // of an answer, on the Service's clock
	Jitter     float64       // sigma of a log-normal factor on Latency; 0.35 is a usual Internet day

	CallsLeft        CallsLeft // how calls_left is written; "" means Number
	Empty            Empty     // how an empty text is written; "" means Quotes
	ErrorsAs200      bool      // errors come with HTTP status 200
	AuthStatus       int       // HTTP status of a refused token; 0 means 400
	LegacyToken      bool      // the parameter api_token is taken instead of a header
	Inactive         bool      // the account is refused as inactive
	PendingByDefault bool      // a referral of a goal with several events is pending even if status does not ask for it
	RefuseRepeats    bool      // an event that was completed before is an error instead of subscriber_retrieved

	Signature        Encoding      // of webhooks; "" means Base64
	SignaturePrefix  bool          // sha256= stands before it
	WebhookUpdates   Updates       // what subscriber_updated is told of; "" means ByFields
	WebhookTimeout   time.Duration // real time that a webhook has to answer; 0 means 10 s
	WebhookDelay     time.Duration // from an event to the first attempt, on the Service's clock
	WebhookSpread    time.Duration // up to that much more, at random: events overtake each other
	WebhookDuplicate int           // every such event is delivered twice; 0 means none
	WebhookDrop      int           // every such event is lost; 0 means none

	FaultRules Rules                        // faults by rule
	Faults     func(r *http.Request) *Fault // faults by code, asked first; it may read the body; nil is no fault
}

// WindowKind says how calls are counted against the limit. ReferralHero does not say which it uses.
type WindowKind string

// The kinds of windows.
const (
	Fixed   WindowKind = "fixed"   // begins anew at every full window of the clock
	Sliding WindowKind = "sliding" // the calls of the last window, at any moment
	Bucket  WindowKind = "bucket"  // a bucket of Limit calls that fills by Limit in a window
	None    WindowKind = "none"    // no limit
)

// CallsLeft says how the answers' calls_left is written. All four have been seen.
type CallsLeft string

// The forms of calls_left.
const (
	Number  CallsLeft = "number"
	Text    CallsLeft = "string"
	Null    CallsLeft = "null"
	Missing CallsLeft = "missing"
)

// Empty says how an attribute without a value is written. All three have been seen.
type Empty string

// The forms of an empty text.
const (
	Quotes Empty = "quotes" // ""
	AsNull Empty = "null"
	Absent Empty = "missing"
)

// DefaultLimit is ReferralHero's documented number of calls in an hour.
const DefaultLimit = 5000

// Flags registers every option that a command line can set on fs, and returns where they will be.
func Flags(fs *flag.FlagSet) *Options {
	o := &Options{}
	o.fill()
	number(fs, &o.Speed, "speed", parseFloat, 0.001, 1e6, "how much faster than real time the clock runs: 60 makes an hour a minute")
	fs.Uint64Var(&o.Seed, "seed", 0, "`number` from which ids, codes and the default token are made")
	fs.StringVar(&o.Token, "token", "", "the API `token` that is accepted (default: 40 hexadecimal digits made from -seed)")
	fs.StringVar(&o.WebhookSecret, "webhook-secret", "", "the `key` of webhooks' signatures (default: 40 hexadecimal digits made from -seed)")
	number(fs, &o.Subscribers, "subscribers", strconv.Atoi, 0, 1e7, "`number` of made-up subscribers to add to the first campaign")
	switches(fs, o)
	return o
}

// switches registers the options that may also be changed while the Service runs. The command line, the
// page and the controls all set them through it.
func switches(fs *flag.FlagSet, o *Options) {
	number(fs, &o.Limit, "limit", strconv.Atoi, 1, 1e9, "`calls` in a window; -window-kind none lifts the limit")
	number(fs, &o.Window, "window", time.ParseDuration, time.Millisecond, 1000*time.Hour, "`length` of the window, such as 1h")
	choice(fs, &o.WindowKind, "window-kind", "how calls are counted", Fixed, Sliding, Bucket, None)
	number(fs, &o.Latency, "latency", time.ParseDuration, 0, time.Hour, "`time` that an answer takes, such as 250ms")
	number(fs, &o.Jitter, "jitter", parseFloat, 0, 3, "`sigma` of a log-normal factor on the latency, such as 0.35")
	choice(fs, &o.CallsLeft, "calls-left", "how calls_left is written", Number, Text, Null, Missing)
	choice(fs, &o.Empty, "empty", "how an empty text is written", Quotes, AsNull, Absent)
	fs.BoolVar(&o.ErrorsAs200, "errors-as-200", o.ErrorsAs200, "send errors with HTTP status 200")
	number(fs, &o.AuthStatus, "auth-status", strconv.Atoi, 400, 499, "HTTP `status` of a refused token")
	fs.BoolVar(&o.LegacyToken, "legacy-token", o.LegacyToken, "take the token from the parameter api_token")
	fs.BoolVar(&o.Inactive, "inactive", o.Inactive, "refuse the account as inactive")
	fs.BoolVar(&o.PendingByDefault, "pending-by-default", o.PendingByDefault, "make referrals of goals with several events pending even if status does not ask for it")
	fs.BoolVar(&o.RefuseRepeats, "refuse-repeats", o.RefuseRepeats, "refuse an event that was completed before")
	choice(fs, &o.Signature, "webhook-signature", "how webhooks are signed", Base64, Base64URL, Hex, Unsigned)
	fs.BoolVar(&o.SignaturePrefix, "webhook-signature-prefix", o.SignaturePrefix, "write sha256= before signatures")
	choice(fs, &o.WebhookUpdates, "webhook-updates", "what webhooks are told of as an update of a subscriber", ByFields, ByEverything)
	number(fs, &o.WebhookTimeout, "webhook-timeout", time.ParseDuration, time.Millisecond, time.Minute, "real `time` that a webhook has to answer")
	number(fs, &o.WebhookDelay, "webhook-delay", time.ParseDuration, 0, time.Hour, "`time` from an event to the first attempt to tell a webhook")
	number(fs, &o.WebhookSpread, "webhook-spread", time.ParseDuration, 0, time.Hour, "`time` up to which events wait in addition, at random, so that they overtake each other")
	number(fs, &o.WebhookDuplicate, "webhook-duplicate", strconv.Atoi, 0, 1e9, "tell webhooks twice of every such `number` of events; 0 of none")
	number(fs, &o.WebhookDrop, "webhook-drop", strconv.Atoi, 0, 1e9, "lose every such `number` of events; 0 loses none")
	fs.Var(&o.FaultRules, "faults", "`rules` such as \"500 every 10; cut every 50 on /confirm; 429 times 3\"; kinds: "+strings.Join(kindNames(), ", "))
}

// fill puts the defaults where nothing was said.
func (o *Options) fill() {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Speed = either(o.Speed, 1)
	o.Limit = either(o.Limit, DefaultLimit)
	o.Window = either(o.Window, time.Hour)
	o.WindowKind = either(o.WindowKind, Fixed)
	o.CallsLeft = either(o.CallsLeft, Number)
	o.Empty = either(o.Empty, Quotes)
	o.AuthStatus = either(o.AuthStatus, http.StatusBadRequest)
	o.Signature = either(o.Signature, Base64)
	o.WebhookUpdates = either(o.WebhookUpdates, ByFields)
	o.WebhookTimeout = either(o.WebhookTimeout, 10*time.Second)
}

func either[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// number registers a flag that takes a number from least to most.
func number[T int | float64 | time.Duration](fs *flag.FlagSet, target *T, name string, parse func(string) (T, error), least, most T, usage string) {
	fs.Var(&within[T]{target, parse, least, most}, name, usage)
}

func parseFloat(text string) (float64, error) { return strconv.ParseFloat(text, 64) }

type within[T int | float64 | time.Duration] struct {
	target      *T
	parse       func(string) (T, error)
	least, most T
}

func (f *within[T]) String() string {
	if f.target == nil { // package flag asks a zero value for its default
		return ""
	}
	return fmt.Sprint(*f.target)
}

func (f *within[T]) Set(text string) error {
	value, err := f.parse(text)
	if err != nil || !(value >= f.least && value <= f.most) { // false for what is no number, too
		return fmt.Errorf("must be from %v to %v", f.least, f.most)
	}
	*f.target = value
	return nil
}

// choice registers a flag that takes one of a few words.
func choice[T ~string](fs *flag.FlagSet, target *T, name, usage string, words ...T) {
	var list []string
	for _, word := range words {
		list = append(list, string(word))
	}
	fs.Var(&oneOf[T]{target, words}, name, usage+": `"+strings.Join(list, "|")+"`")
}

type oneOf[T ~string] struct {
	target *T
	words  []T
}

func (f *oneOf[T]) String() string {
	if f.target == nil {
		return ""
	}
	return string(*f.target)
}

func (f *oneOf[T]) Set(text string) error {
	if !slices.Contains(f.words, T(text)) {
		return fmt.Errorf("must be one of %v", f.words)
	}
	*f.target = T(text)
	return nil
}
