package bridge

import (
	"net/url"
	"testing"
)

func TestLinkProblem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // to what is said, or to nothing
		"https://mywebsite.com":              "",
		"http://mywebsite.com/join?x=1":      "",
		"https://пример.рф/приглашение":      "",
		"http://localhost:3000":              "",
		"":                                   "Type the address that referral links should lead to, such as https://mywebsite.com.",
		"mywebsite.com/join":                 "The address needs https:// in front. Type https://mywebsite.com/join.",
		"mywebsite":                          "The address must begin with https:// or http://, such as https://mywebsite.com.",
		"/join":                              "The address must begin with https:// or http://, such as https://mywebsite.com.",
		"//mywebsite.com":                    "The address must begin with https:// or http://, such as https://mywebsite.com.",
		"ftp://mywebsite.com":                "The address must begin with https:// or http://, such as https://mywebsite.com.",
		"javascript:alert(1)":                "The address must begin with https:// or http://, such as https://mywebsite.com.",
		"https:mywebsite.com":                "The address must begin with https:// or http://, such as https://mywebsite.com.",
		"https://":                           "The address must begin with https:// or http://, such as https://mywebsite.com.",
		"https://:8080":                      "The address names no website. Type one such as https://mywebsite.com.",
		"https://my..website":                "The address names no website. Type one such as https://mywebsite.com.",
		"https://me:secret@mywebsite.com":    "Leave out the user name and password in the address.",
		"https://mywebsite.com/#join":        "Leave out the part from # on: referral codes would be lost behind it. Type https://mywebsite.com/.",
		"https://my website.com":             "This is not an address. Type one such as https://mywebsite.com.",
		"https://mywebsite.com/%zz":          "This is not an address. Type one such as https://mywebsite.com.",
		"https://mywebsite.com/\"><script>x": "This is not an address. Type one such as https://mywebsite.com.",
	} {
		if got := LinkProblem(text); got != want {
			t.Errorf("LinkProblem(%q) says %q, want %q", text, got, want)
		}
	}
}

func FuzzLinkProblem(f *testing.F) {
	for _, seed := range []string{"https://mywebsite.com", "mywebsite.com", "https://x#y", "http://[::1]:80/", "https://a@b", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if LinkProblem(address) != "" {
			return
		}
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("LinkProblem(%q) sees none", address)
		}
	})
}
