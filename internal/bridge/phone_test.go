package bridge

import "testing"

func TestNormalizePhone(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"+1 (415) 555-0100":        "+14155550100",
		" +49.30/123456 ":          "+4930123456",
		"(415) 555-0100":           "", // no country code
		"+1 415 555 0100 ext. 7":   "",
		"+1":                       "",
		"+1234567890123456":        "",
		"call me":                  "",
		"":                         "",
		"   ":                      "",
		"+1 (415) 555-0100; +1 22": "",
		"++14155550100":            "",
	} {
		if got := NormalizePhone(number); got != want {
			t.Errorf("NormalizePhone(%q) = %q, want %q", number, got, want)
		}
	}
}
