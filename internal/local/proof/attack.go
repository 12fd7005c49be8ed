package proof

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// attack is something that somebody may try, and the test in which it is tried.
type attack struct {
	threat string // section of RFC 9700, or what else it is about
	folder string // of the test
	test   string // by its name; all cases of it count
}

// attacks are those on connecting an org and on staying connected. Each is tried through the real routes, or at the
// door that has to hold against it.
var attacks = []attack{
	{"2.1.1 PKCE downgrade", oauth, "TestAttackOnTheConsentPage/without_a_challenge"},
	{"2.1.1 PKCE downgrade", oauth, "TestAttackOnTheConsentPage/with_a_plain_challenge"},
	{"2.1.1 PKCE with a challenge of the attacker's", oauth, "TestAttackOnTheConsentPage/with_another_challenge"},
	{"2.1.1 PKCE missing", oauth, "TestConsentRequest"},
	{"2.3 more privileges than were asked for", oauth, "TestAttackOnTheConsentPage/with_a_wider_scope"},
	{"4.1 redirect URI to another site", oauth, "TestAttackOnTheConsentPage/to_another_site"},
	{"4.1 redirect URI that begins like ours", oauth, "TestAttackOnTheConsentPage/to_a_path_below_ours"},
	{"4.1 redirect URI with more", oauth, "TestAttackOnTheConsentPage/to_ours_with_a_query"},
	{"4.1 redirect URI by the request's own headers", oauth, "TestAttackByHost"},
	{"4.1 another app's consent page", oauth, "TestAttackOnTheConsentPage/for_another_app"},
	{"4.2 credentials in Referer, 4.3 in the browser's history", oauth, "TestAttackOnWhatStays"},
	{"4.4 mix-up of environments", oauth, "TestConsentThatDoesNotCount/a_callback_of_another_kind"},
	{"4.4 mix-up of environments", oauth, "TestAttackOnTheConsentPage/to_our_callback's_other"},
	{"4.4 mix-up of environments", oauth, "TestAttackOnTheCallback/a_code_for_another_kind_of_host"},
	{"4.4 mix-up of issuers", oauth, "TestAttackOnTheCallback/the_name_of_another_issuer"},
	{"4.4 mix-up of issuers", oauth, "TestAttackOnTheCallback/the_name_of_the_issuer,_longer"},
	{"4.4 a code redeemed at another host", adapter, "TestCodeGoesToNoOtherHost"},
	{"4.5 code of another's consent", oauth, "TestAttackOnTheCallback/an_attacker's_code_with_this_state"},
	{"4.5 code of another's consent", oauth, "TestConsentThatDoesNotCount/a_code_for_another_verifier"},
	{"4.5 code of a former consent", oauth, "TestAttackOnTheCallback/the_code_of_a_former_consent_of_this_browser"},
	{"4.5 code that was made up", oauth, "TestConsentThatDoesNotCount/a_code_that_was_made_up"},
	{"4.5 callback twice", oauth, "TestConsentThatDoesNotCount/a_state_that_was_used"},
	{"4.5 callback many times at once", oauth, "TestStateCountsOnceForManyCallbacksAtATime"},
	{"4.6 token in the place of a code", oauth, "TestAttackOnTheCallback/a_token_instead_of_a_code"},
	{"4.6 token in the place of a code", oauth, "TestAttackOnTheConsentPage/for_a_token_in_the_URL"},
	{"4.7 forced start", oauth, "TestStartIsRefused/nobody_is_signed_in"},
	{"4.7 form of another site", oauth, "TestAttackByAForm"},
	{"4.7 state that was made up", oauth, "TestConsentThatDoesNotCount/a_state_that_was_made_up"},
	{"4.7 no state", oauth, "TestConsentThatDoesNotCount/no_state"},
	{"4.7 state of somebody else", oauth, "TestConsentThatDoesNotCount/a_state_of_somebody_else"},
	{"4.7 state that was changed on its way", oauth, "TestAttackOnTheConsentPage/with_another_state"},
	{"4.7 state that was taken away", oauth, "TestAttackOnTheConsentPage/without_a_state"},
	{"4.7 state of a former consent", oauth, "TestAttackOnTheCallback/the_state_of_a_former_consent_of_this_browser"},
	{"4.7 victim at the end of the attacker's consent", oauth, "TestAttackOnTheCallback/an_attacker's_address,_while_nothing_was_begun"},
	{"4.7 victim at the end of the attacker's consent", oauth, "TestAttackOnTheCallback/an_attacker's_address,_while_one_was_begun"},
	{"4.7 with the attacker's cookie planted", oauth, "TestAttackOnTheCallback/an_attacker's_address,_with_the_attacker's_cookie"},
	{"4.7 another browser", oauth, "TestConsentThatDoesNotCount/another_browser"},
	{"4.7 another session", oauth, "TestConsentThatDoesNotCount/signed_in_anew_meanwhile"},
	{"4.7 another account", oauth, "TestConsentThatDoesNotCount/signed_in_to_another_account"},
	{"4.7 session that has ended", oauth, "TestConsentThatDoesNotCount/the_session_has_ended"},
	{"4.7 state that is too old", oauth, "TestConsentThatDoesNotCount/later_than_ten_minutes"},
	{"4.7 cookies planted from elsewhere", "internal/signin", "TestJar"},
	{"4.10 org whose API is elsewhere", oauth, "TestAttackByInstance"},
	{"4.10 org whose API is elsewhere, at a refresh", connecting, "TestInstanceThatIsNotSalesforcesIsNotTakenOver"},
	{"4.10 identity that is elsewhere", oauth, "TestAttackByIdentity"},
	{"4.10 token of another org", oauth, "TestConsentThatDoesNotCount/a_token_for_another_org"},
	{"4.10 token of another org, at a refresh", connecting, "TestRefreshedTokenOfAnotherOrgIsNotUsed"},
	{"4.10 forged or incomplete answers", oauth, "TestAttackByAnswers"},
	{"4.10 forged answers, at the door", adapter, "TestExchangeIsRefused"},
	{"4.11 redirect to the attacker's choice", oauth, "TestAttackByTheWayBack"},
	{"4.11 redirect to the attacker's choice, after signing in", "internal/signin", "TestLocalPath"},
	{"4.12 redirect with what we carry", oauth, "TestAttackByRedirect"},
	{"4.12 redirect with what we carry, at the door", adapter, "TestHTTPClientFollowsNoRedirect"},
	{"4.14 refresh token used twice at a time", connecting, "TestAHundredWorkersMeetOneRefusal"},
	{"4.14 refresh after a disconnect", connecting, "TestDisconnectWhileARefreshIsUnderWay"},
	{"4.14 tokens copied to another row", "internal/secrets", "TestKeyRing"},
	{"4.16 page in a frame", "functions/console", "TestHeaders"},
	{"another's connection", connecting, "TestDisconnectOfAForeignConnection"},
	{"another's connection, in the console", "functions/console", "TestForeignThingsAreNotThere"},
	{"another's connection, to connect it anew", oauth, "TestAttackByReconnect"},
	{"another org or user in a connection's place", connecting, "TestReconnect"},
	{"app that is none", oauth, "TestAttackByAnApp"},
	{"app that was copied from another account", connecting, "TestAppThatWasSealedForAnotherAccountDoesNotOpen"},
	{"refreshes without end", connecting, "TestTokenThatIsRefusedRightAfterARefresh"},
	{"token that outlives a disconnect", connecting, "TestDisconnectEndsTheTokenThatWasKept"},
	{"script in a problem's code", "functions/console", "TestBadInput"},
	{"form of another site, in the console", "functions/console", "TestCrossSite"},
	{"script in Salesforce's words", oauth, "TestAttackOnTheCallback/words_that_are_a_script"},
	{"script in Salesforce's error", oauth, "TestAttackOnTheCallback/an_error_that_is_a_script"},
	{"line break in a code", oauth, "TestAttackOnTheCallback/a_code_with_a_line_break"},
	{"path in an environment", oauth, "TestAttackOnTheCallback/a_kind_of_host_that_is_a_path"},
	{"host of the attacker's choice", oauth, "TestAttackByMyDomain"},
	{"host of the attacker's choice, at the door", adapter, "TestLoginHost"},
	{"name that resolves to our own net", oauth, "TestAttackByDNS"},
	{"address of our own net, at the door", adapter, "TestOnlyPublicAddresses"},
	{"next page elsewhere", adapter, "TestAnswersThatCannotBe/a_next_page_outside"},
	{"next page elsewhere", adapter, "TestAnswersThatCannotBe/a_next_page_with_@"},
	{"codes and states in the log", oauth, "TestNothingThatCameInIsLogged"},
	{"codes in the broker's log", "functions/token-broker", "TestFailureKeepsItsMeaningAndNotItsInsides"},
	{"secrets that are printed", "internal/bridge", "TestSecretsCannotBePrinted"},
}

// Folders of many tests.
const (
	oauth      = "functions/oauth"
	connecting = "internal/connect"
	adapter    = "internal/salesforce"
)

// refuseAttacks runs the tests of all attacks, and returns how many cases were refused. It fails if one was not, or
// was not tried.
func refuseAttacks(ctx context.Context, root string, tell func(string, ...any)) (refused int, err error) {
	passed, err := runTests(ctx, root)
	if err != nil {
		return 0, err
	}
	var broken []error
	cases := map[string]bool{}
	for _, a := range attacks {
		name := a.folder + " " + a.test
		if !passed[name] {
			broken = append(broken, fmt.Errorf("attacks: not refused: %s: %s", a.threat, name))
			continue
		}
		of := 0
		for test := range passed {
			if strings.HasPrefix(test, name+"/") {
				cases[test] = true
				of++
			}
		}
		if of == 0 {
			cases[name] = true
		}
	}
	tell("attacks: %d on the list, %d cases refused", len(attacks)-len(broken), len(cases))
	return len(cases), errors.Join(broken...)
}

// runTests runs the tests of all attacks and returns those that passed, as folder and name.
func runTests(ctx context.Context, root string) (map[string]bool, error) {
	functions, folders := map[string]bool{}, map[string]bool{}
	for _, a := range attacks {
		function, _, _ := strings.Cut(a.test, "/")
		functions[function], folders["./"+a.folder] = true, true
	}
	args := []string{"test", "-json", "-count=1", "-run", "^(" + strings.Join(slices.Sorted(maps.Keys(functions)), "|") + ")$"}
	command := exec.CommandContext(ctx, "go", append(args, slices.Sorted(maps.Keys(folders))...)...)
	command.Dir, command.Stderr = root, os.Stderr
	output, failed := command.Output()
	passed := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(output)); lines.Scan(); {
		var event struct{ Action, Package, Test string }
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Action != "pass" || event.Test == "" {
			continue
		}
		for folder := range folders {
			if strings.HasSuffix(event.Package, strings.TrimPrefix(folder, ".")) {
				passed[strings.TrimPrefix(folder, "./")+" "+event.Test] = true
			}
		}
	}
	var exit *exec.ExitError
	if errors.As(failed, &exit) && len(passed) > 0 {
		failed = nil // a test that failed is missing among those that passed
	}
	return passed, failed
}
