package referralhero

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FaultKind says what goes wrong with a call.
type FaultKind string

// The kinds of faults. Those that act "after the work" leave the caller with a call of unknown outcome.
const (
	Throttle    FaultKind = "429"        // refused as if the hour were used up; nothing is done
	Broken      FaultKind = "500"        // a page of HTML with status 500; nothing is done
	BrokenAfter FaultKind = "500-after"  // the same, after the work
	Gateway     FaultKind = "502"        // a gateway's page of HTML; nothing is done
	Slow        FaultKind = "slow"       // answered, after Fault.Delay (in a rule: 5 s)
	Silent      FaultKind = "silent"     // no answer, after the work, until the caller gives up
	Cut         FaultKind = "cut"        // the connection ends without an answer, after the work
	CutBefore   FaultKind = "cut-before" // the connection ends without an answer; nothing is done
	ErrorIn200  FaultKind = "200-error"  // status "error" with HTTP status 200; nothing is done
	Truncated   FaultKind = "truncated"  // the answer ends in the middle, after the work
	Refuse      FaultKind = "refuse"     // the error Fault.Code with its usual HTTP status; nothing is done
)

var kinds = []FaultKind{Throttle, Broken, BrokenAfter, Gateway, Slow, Silent, Cut, CutBefore, ErrorIn200, Truncated, Refuse}

func kindNames() []string {
	var names []string
	for _, kind := range kinds {
		names = append(names, string(kind))
	}
	return names
}

// Fault is what happens to one call.
type Fault struct {
	Kind  FaultKind
	Code  string        // the error's code for Refuse and ErrorIn200; empty means internal_error
	Delay time.Duration // real time to wait before the work; the work is done even if the caller gives up
}

// Rule makes a fault of some calls.
type Rule struct {
	Kind  FaultKind
	Every int    // each Every-th call that matches; 0 means every one
	Times int    // ends after as many faults; 0 means never
	Code  string // see Fault
	Path  string // matches calls whose path contains it; empty matches all
}

// String returns the rule as ParseRules reads it.
func (r Rule) String() string {
	text := string(r.Kind)
	for _, part := range []struct{ word, value string }{{"code", r.Code}, {"every", count(r.Every)}, {"times", count(r.Times)}, {"on", r.Path}} {
		if part.value != "" {
			text += " " + part.word + " " + part.value
		}
	}
	return text
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// Rules are several rules. The first that makes a fault of a call decides. They are a flag.Value.
type Rules []Rule

// String returns the rules as ParseRules reads them.
func (rs Rules) String() string {
	var texts []string
	for _, rule := range rs {
		texts = append(texts, rule.String())
	}
	return strings.Join(texts, "; ")
}

// Set replaces the rules by those that text describes.
func (rs *Rules) Set(text string) error {
	rules, err := ParseRules(text)
	if err == nil {
		*rs = rules
	}
	return err
}

// ParseRules reads rules separated by semicolons. Each is a kind and any of "every N", "times N",
// "code WORD" and "on PATH".
func ParseRules(text string) (Rules, error) {
	var rules Rules
	for part := range strings.SplitSeq(text, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		rule := Rule{Kind: FaultKind(words[0])}
		if !slices.Contains(kinds, rule.Kind) {
			return nil, fmt.Errorf("%q is no kind of fault; there are %s", words[0], strings.Join(kindNames(), ", "))
		}
		for words = words[1:]; len(words) > 0; words = words[2:] {
			if len(words) == 1 {
				return nil, fmt.Errorf("nothing follows %q", words[0])
			}
			var err error
			switch words[0] {
			case "every":
				rule.Every, err = positive(words[1])
			case "times":
				rule.Times, err = positive(words[1])
			case "code":
				rule.Code = words[1]
			case "on":
				rule.Path = words[1]
			default:
				err = fmt.Errorf("%q: want every, times, code or on", words[0])
			}
			if err != nil {
				return nil, err
			}
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func positive(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q: want a number of at least 1", text)
	}
	return n, nil
}

// tally counts how often each of some rules matched and acted.
type tally []struct{ seen, done int }

// next returns the fault of the next call to path, or nil.
func (rs Rules) next(path string, t tally) *Fault {
	for i, rule := range rs {
		if !strings.Contains(path, rule.Path) || rule.Times > 0 && t[i].done == rule.Times {
			continue
		}
		t[i].seen++
		if t[i].seen%max(rule.Every, 1) != 0 {
			continue
		}
		t[i].done++
		fault := &Fault{Kind: rule.Kind, Code: rule.Code}
		if rule.Kind == Slow {
			fault.Delay = 5 * time.Second
		}
		return fault
	}
	return nil
}
