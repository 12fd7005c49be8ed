package salesforce

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// records are the values of one field in an answer, in order.
func records(t *testing.T, a answer, field string) string {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("status = %d: %s", a.status, a.body)
	}
	got := decode[struct{ Records []map[string]any }](t, a.body)
	var values []string
	for _, r := range got.Records {
		values = append(values, fmt.Sprint(r[field]))
	}
	return strings.Join(values, " ")
}

func TestWhere(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	for where, want := range map[string]string{
		"":                           "Ann Bo <nil> Dee Cy",
		"Email = 'ANN@EXAMPLE.COM'":  "Ann",
		"email != 'ann@example.com'": "Bo <nil> Dee Cy",
		"Email <> 'ann@example.com'": "Bo <nil> Dee Cy",
		"Email = null":               "<nil>",
		"Email = ''":                 "<nil>",
		"Email != null":              "Ann Bo Dee Cy",
		"Email IN ('ann@example.com', 'bo@example.com', 'x')":                   "Ann Bo",
		"Email NOT IN ('ann@example.com', null)":                                "Bo Dee Cy",
		"NOT Email = 'ann@example.com'":                                         "Bo <nil> Dee Cy",
		"NOT (Email = null OR FirstName = 'Ann')":                               "Bo Dee Cy",
		"(FirstName = 'Ann' OR FirstName = 'Bo') AND HasOptedOutOfEmail = TRUE": "Bo",
		"HasOptedOutOfEmail = false AND Email != null":                          "Ann Dee Cy",
		"HasOptedOutOfEmail = null":                                             "",
		"FirstName < 'bo'":                                                      "Ann",
		"FirstName >= 'BO'":                                                     "Bo Dee Cy",
		"Email LIKE '%@example.com'":                                            "Ann Bo Dee Cy",
		"Email LIKE 'B_@%'":                                                     "Bo",
		`Email LIKE 'cy\_1\%%'`:                                                 "Cy",
		`Email LIKE 'cy\_2\%%'`:                                                 "",
		`Email LIKE 'c%1\%@example.com'`:                                        "Cy",
		`LastName = 'o\'neil'`:                                                  "Cy",
		`LastName = 'back\\slash'`:                                              "Dee",
		`LastName LIKE 'back\\\\%'`:                                             "",
		`LastName LIKE 'back\\%'`:                                               "Dee",
		"LastName LIKE 'διον%'":                                                 "<nil>",
		"Id = '0035g00000000aA'":                                                "Bo",
		"Id = '0035g00000000Aa'":                                                "Ann",
		"Id > '0035g000000000C'":                                                "Ann Bo Cy",
		"Id >= '0035g000000000C' AND Id <= '0035g00000000Aa'":                   "Ann Dee",
		"Id < '0035g000000000C'":                                                "<nil>",
		"Id > '000000000000000'":                                                "Ann Bo <nil> Dee Cy",
		"Id IN ('0035g00000000zZ', '0035g000000000C')":                          "Dee Cy",
		"Account.Name != null":                                                  "Ann Bo <nil>",
		"AccountId = null":                                                      "Dee Cy",
		"AccountId = '0015g0000000001' AND Id > '0035g00000000Aa'":              "Bo",
		"Contact.Email = 'ann@example.com'":                                     "Ann",
		"CreatedDate > 2026-03-01T10:00:00Z":                                    "<nil> Dee",
		"CreatedDate >= 2026-03-01T12:00:00+02:00":                              "<nil> Dee Cy",
		"CreatedDate = LAST_N_DAYS:200":                                         "Dee",
		"CreatedDate < LAST_N_DAYS:200":                                         "Ann Bo <nil> Cy",
		"CreatedDate = TODAY":                                                   "",
		"Email = 'ann@example.com' OR Id = '0035g00000000zZ'":                   "Ann Cy",
		"IsDeleted = true":                                                      "",
	} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			statement := "SELECT FirstName FROM Contact"
			if where != "" {
				statement += " WHERE " + where
			}
			// By first name, so that the order is the same whatever index is used.
			got := records(t, s.query(token, statement+" ORDER BY CreatedDate"), "FirstName")
			want := inCreationOrder(want)
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			count := decode[struct{ TotalSize int }](t, s.query(token, strings.Replace(statement, "FirstName", "COUNT()", 1)).body)
			if n := len(strings.Fields(want)); count.TotalSize != n {
				t.Errorf("COUNT() = %d, want %d", count.TotalSize, n)
			}
		})
	}
}

// inCreationOrder puts first names into the order in which the five contacts were created.
func inCreationOrder(names string) string {
	var sorted []string
	for _, name := range []string{"Ann", "Bo", "Cy", "<nil>", "Dee"} {
		if strings.Contains(" "+names+" ", " "+name+" ") {
			sorted = append(sorted, name)
		}
	}
	return strings.Join(sorted, " ")
}

func TestOrder(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	for clauses, want := range map[string]string{
		"":                                   "<nil> Dee Ann Bo Cy",
		"ORDER BY Id":                        "<nil> Dee Ann Bo Cy",
		"ORDER BY Id DESC":                   "Cy Bo Ann Dee <nil>",
		"ORDER BY Id DESC LIMIT 2":           "Cy Bo",
		"ORDER BY Id LIMIT 2 OFFSET 1":       "Dee Ann",
		"ORDER BY FirstName":                 "<nil> Ann Bo Cy Dee",
		"ORDER BY FirstName DESC":            "<nil> Dee Cy Bo Ann",
		"ORDER BY FirstName DESC NULLS LAST": "Dee Cy Bo Ann <nil>",
		"ORDER BY FirstName ASC NULLS LAST LIMIT 1":        "Ann",
		"ORDER BY HasOptedOutOfEmail DESC, FirstName":      "Bo <nil> Ann Cy Dee",
		"ORDER BY AccountId NULLS LAST, CreatedDate":       "Ann Bo <nil> Cy Dee",
		"ORDER BY Account.Owner.Name, FirstName":           "Cy Dee <nil> Ann Bo",
		"ORDER BY Email":                                   "<nil> Ann Bo Cy Dee",
		"LIMIT 0":                                          "",
		"WHERE Id > '0035g000000000C' ORDER BY Id LIMIT 1": "Ann",
	} {
		t.Run(clauses, func(t *testing.T) {
			t.Parallel()
			if got := records(t, s.query(token, "SELECT FirstName FROM Contact "+clauses), "FirstName"); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestStatementsRefused(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	for statement, want := range map[string]string{
		"":                                   "MALFORMED_QUERY: unexpected token: <EOF>, expecting 'SELECT'",
		"SELECT":                             "MALFORMED_QUERY: unexpected token: <EOF>, expecting the name of a field",
		"SELECT FROM Contact":                "MALFORMED_QUERY: unexpected token: 'FROM', expecting the name of a field",
		"SELECT Id FORM Contact":             "MALFORMED_QUERY: unexpected token: 'FORM', expecting 'FROM'",
		"SELECT Id FROM Contact WHERE":       "MALFORMED_QUERY: unexpected token: <EOF>, expecting the name of a field",
		"SELECT Id FROM Contact WHERE Email": "MALFORMED_QUERY: unexpected token: <EOF>, expecting an operator",
		"SELECT Id FROM Contact WHERE Email = ann":                                                        "MALFORMED_QUERY: unexpected token: 'ann', expecting a value",
		"SELECT Id FROM Contact WHERE Email = 'ann":                                                       "MALFORMED_QUERY: unexpected token: <EOF>: the string that begins here does not end",
		`SELECT Id FROM Contact WHERE Email = 'a\z'`:                                                      `MALFORMED_QUERY: Invalid string literal: illegal escape sequence '\z'`,
		"SELECT Id FROM Contact WHERE Email = 'a' AND Phone = 'b' OR Title = 'c'":                         "MALFORMED_QUERY: unexpected token: 'OR', AND and OR need parentheses beside each other",
		"SELECT Id FROM Contact WHERE Email IN ()":                                                        "MALFORMED_QUERY: unexpected token: ')', expecting a value",
		"SELECT Id FROM Contact WHERE (Email = 'a'":                                                       "MALFORMED_QUERY: unexpected token: <EOF>, expecting ')'",
		"SELECT Email FROM Contact GROUP BY Id":                                                           "MALFORMED_QUERY: Field must be grouped or aggregated: Email",
		"SELECT Id FROM Contact LIMIT ten":                                                                "MALFORMED_QUERY: unexpected token: 'ten', LIMIT takes a whole number",
		"SELECT Id FROM Contact LIMIT 1 1":                                                                "MALFORMED_QUERY: unexpected token: '1'",
		"SELECT Id FROM Contact;":                                                                         "MALFORMED_QUERY: line 1:22 no viable alternative at character ';'",
		"SELECT (SELECT Id FROM Contacts) FROM Account":                                                   "MALFORMED_QUERY: unexpected token: '(', expecting the name of a field",
		"SELECT COUNT(Id FROM Contact":                                                                    "MALFORMED_QUERY: unexpected token: 'FROM', expecting ')'",
		"SELECT SUM(Id) FROM Contact":                                                                     "MALFORMED_QUERY: unexpected token: '(', expecting 'FROM'",
		"SELECT COUNT(Nope) FROM Contact":                                                                 "INVALID_FIELD: No such column 'Nope' on entity 'Contact'.",
		"SELECT COUNT() FROM Contact ORDER BY Id":                                                         "MALFORMED_QUERY: ORDER BY is not allowed with COUNT()",
		"SELECT Id FROM Contact OFFSET 2001":                                                              "NUMBER_OUTSIDE_VALID_RANGE: Maximum SOQL offset allowed is 2000",
		"SELECT Id, Id FROM Contact":                                                                      "INVALID_FIELD: duplicate field selected: Id",
		"SELECT Nope FROM Contact":                                                                        "INVALID_FIELD: No such column 'Nope' on entity 'Contact'.",
		"SELECT Id FROM Contact WHERE RH_CODE__c = null":                                                  "INVALID_FIELD: No such column 'RH_CODE__c' on entity 'Contact'.",
		"SELECT Account.Nope FROM Contact":                                                                "INVALID_FIELD: No such column 'Nope' on entity 'Account'.",
		"SELECT Boss.Name FROM Contact":                                                                   "INVALID_FIELD: Didn't understand relationship 'Boss' in field path.",
		"SELECT Id FROM Kontakt":                                                                          "INVALID_TYPE: sObject type 'Kontakt' is not supported.",
		"SELECT Id FROM Contact WHERE Id = 'x'":                                                           "INVALID_QUERY_FILTER_OPERATOR: invalid ID field: x",
		"SELECT Id FROM Contact WHERE Id > ''":                                                            "INVALID_QUERY_FILTER_OPERATOR: invalid ID field: ",
		"SELECT Id FROM Contact WHERE Id LIKE '003%'":                                                     "INVALID_QUERY_FILTER_OPERATOR: invalid operator on id field",
		"SELECT Id FROM Contact WHERE IsDeleted > false":                                                  "INVALID_QUERY_FILTER_OPERATOR: invalid operator on boolean field",
		"SELECT Id FROM Contact WHERE IsDeleted = 'false'":                                                "INVALID_FIELD: value of filter criterion for field 'IsDeleted' must be of type boolean and should not be enclosed in quotes",
		"SELECT Id FROM Contact WHERE Email = 5":                                                          "INVALID_FIELD: value of filter criterion for field 'Email' must be of type string and should be enclosed in quotes",
		"SELECT Id FROM Opportunity WHERE Amount > '5'":                                                   "INVALID_FIELD: value of filter criterion for field 'Amount' must be of type double and should not be enclosed in quotes",
		"SELECT Id FROM Contact WHERE CreatedDate > 2026-01-01":                                           "INVALID_FIELD: value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
		"SELECT Id FROM Contact WHERE CreatedDate = LAST_N_DAYS:0":                                        "MALFORMED_QUERY: LAST_N_DAYS takes a number from 1 to 36500",
		"SELECT Id FROM Contact WHERE " + strings.Repeat("(", 60) + "Id = null" + strings.Repeat(")", 60): "QUERY_TOO_COMPLICATED: conditions are nested too deeply",
		"SELECT a.b.c.d.e.f.g FROM Contact":                                                               "MALFORMED_QUERY: only 5 levels of parent relationships are allowed",
	} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			a := s.query(token, statement)
			if a.status != http.StatusBadRequest {
				t.Fatalf("status = %d, want 400: %s", a.status, a.body)
			}
			list := decode[[]struct{ ErrorCode, Message string }](t, a.body)
			lines := strings.Split(list[0].Message, "\n")
			if got := list[0].ErrorCode + ": " + lines[len(lines)-1]; !strings.HasPrefix(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestRefusalPointsAtThePlace(t *testing.T) {
	t.Parallel()
	_, err := parseSOQL("SELECT Id\nFROM Contact\nWHERE Email ~ 'a'")
	want := "MALFORMED_QUERY: \nWHERE Email ~ 'a'\n            ^\nERROR at Row:3:Column:13\n"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRecordOnTheWire(t *testing.T) {
	t.Parallel()
	s := five(t)
	a := s.query(s.token(), "SELECT c.Id, Name, Email, HasOptedOutOfEmail, CreatedDate, Account.Name, Account.Owner.Username FROM Contact c WHERE FirstName IN ('Ann', 'Dee') ORDER BY FirstName")
	account, _ := company("0015g0000000001AAA")
	want := `{"totalSize":2,"done":true,"records":[` +
		`{"attributes":{"type":"Contact","url":"/services/data/v66.0/sobjects/Contact/0035g00000000AaAAI"},"Id":"0035g00000000AaAAI","Name":"Ann Lee",` +
		`"Email":"ann@example.com","HasOptedOutOfEmail":false,"CreatedDate":"2026-01-01T10:00:00.000+0000","Account":{"attributes":{"type":"Account",` +
		`"url":"/services/data/v66.0/sobjects/Account/0015g0000000001AAA"},"Name":"` + account + `","Owner":{"attributes":{"type":"User",` +
		`"url":"/services/data/v66.0/sobjects/User/0055g0000000002AAA"},"Username":"marco.sales@acme.example"}}},` +
		`{"attributes":{"type":"Contact","url":"/services/data/v66.0/sobjects/Contact/0035g000000000CAAQ"},"Id":"0035g000000000CAAQ","Name":"Dee back\\slash",` +
		`"Email":"dee@example.com","HasOptedOutOfEmail":false,"CreatedDate":"2026-05-01T10:00:00.000+0000","Account":null}]}`
	if diff := cmp.Diff(want, a.body); diff != "" {
		t.Error(diff)
	}
}

func TestNumberOnTheWire(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"0": "0.0", "-1": "-1.0", "40.25": "40.25", "1234567": "1234567.0", "9999999.99": "9999999.99", "10000000": "1.0E7",
		"12345678": "1.2345678E7", "-210000001470": "-2.1000000147E11", "123456789012345678": "1.2345678901234568E17", "0.001": "0.001", "0.0005": "5.0E-4"} {
		if got := string((&field{kind: kindDouble}).appendJSON(nil, value)); got != want {
			t.Errorf("%s is %s on the wire, want %s", value, got, want)
		}
	}
	if got := string((&field{kind: kindInt}).appendJSON(nil, "12345678")); got != "12345678" {
		t.Errorf("an integer is %s on the wire", got)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	for short, sum := range map[string]string{"003ak00000luKU1": "AAM", "00D5g000004AbCd": "EAK", "0Af5g00000ZyXwV": "CAV"} {
		if got, err := parseID(short); err != nil || string(got) != short+sum {
			t.Errorf("parseID(%s) = %s, %v, want %s", short, got, err, short+sum)
		}
		if got, err := parseID(short + strings.ToLower(sum)); err != nil || string(got) != short+sum {
			t.Errorf("parseID(%s) = %s, %v, want %s", short+strings.ToLower(sum), got, err, short+sum)
		}
	}
	for _, text := range []string{"", "003ak00000luKU", "003ak00000luKU1AAA", "003ak00000luKU-", "003ak00000luKU1A"} {
		if got, err := parseID(text); err == nil {
			t.Errorf("parseID(%q) = %s, want an error", text, got)
		}
	}
	for of, want := range map[string]string{"003000000000009": "00300000000000A", "00300000000000z": "003000000000010", "003zzzzzzzzzzzz": "003000000000000"} {
		if got := checksummed(of).next().short(); got != want {
			t.Errorf("after %s comes %s, want %s", of, got, want)
		}
	}
}

// FuzzSOQL sends what nobody thought of through parser, planner and search.
func FuzzSOQL(f *testing.F) {
	for _, seed := range []string{
		"SELECT Id FROM Contact", "SELECT COUNT() FROM Contact WHERE Email != null", "select c.Name from Contact c where NOT (c.Email like '%\\_\\%' or Id > '003000000000000') order by Account.Name desc nulls last, Id limit 5 offset 2",
		"SELECT Id FROM Opportunity WHERE Amount >= -1.5e3 AND CloseDate = LAST_N_DAYS:30", "SELECT Id FROM Contact WHERE CreatedDate < 2026-01-01T00:00:00Z AND Email IN ('a', null)",
		"SELECT Id FROM Contact WHERE Id IN ('0035g0000000001AAA','') OR AccountId = ''", "SELECT Id FROM User WHERE Name = '\\'\uffff'",
	} {
		f.Add(seed)
	}
	o := New(Options{Generated: 50})
	f.Fuzz(func(t *testing.T, statement string) {
		q, err := parseSOQL(statement)
		if err != nil {
			return
		}
		s, err := o.plan(q, call{user: o.admin}, false)
		if err != nil {
			return
		}
		if s.count {
			s.total()
			return
		}
		found := s.find()
		// What an index finds is what looking at every record finds.
		s.narrowed, s.lo, s.hi = false, "", ""
		if diff := cmp.Diff(s.find(), found); diff != "" {
			t.Errorf("%s: with and without an index: %s", statement, diff)
		}
	})
}
