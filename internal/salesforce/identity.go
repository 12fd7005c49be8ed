package salesforce

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
)

// Profile asks Salesforce, with a new token, whose it is: the user's identity, and the org itself. If
// the three answers do not agree on the org and the user, the error has the code connect.OrgMismatch.
func (o OAuth) Profile(ctx context.Context, issued connect.Issued) (connect.Profile, error) {
	const op = "salesforce.Profile"
	var identity struct {
		Org      string `json:"organization_id"`
		User     string `json:"user_id"`
		Username string `json:"username"`
	}
	mismatch := &bridge.Error{Op: op, Kind: bridge.Denied, Code: string(connect.OrgMismatch)}
	if err := o.read(ctx, op, issued.Identity, issued.Access, &identity); bridge.CodeOf(err) == wrongOrg {
		return connect.Profile{}, mismatch
	} else if err != nil {
		return connect.Profile{}, err
	}
	var found answer[struct {
		ID               string `json:"Id"`
		Name             string
		OrganizationType string
		IsSandbox        bool
	}]
	statement := url.QueryEscape("SELECT Id, Name, OrganizationType, IsSandbox FROM Organization")
	if err := o.read(ctx, op, issued.Instance+data+"/query?q="+statement, issued.Access, &found); err != nil {
		return connect.Profile{}, err
	}
	if len(found.Records) != 1 ||
		!is(issued.Org, identity.Org) || !is(issued.User, identity.User) || !is(issued.Org, found.Records[0].ID) {
		return connect.Profile{}, mismatch
	}
	org := found.Records[0]
	return connect.Profile{
		Username: identity.Username, OrgName: org.Name, Edition: org.OrganizationType, IsSandbox: org.IsSandbox,
	}, nil
}

// is reports whether text is that id, in either form.
func is(id bridge.SalesforceID, text string) bool {
	parsed, err := bridge.ParseSalesforceID(text)
	return err == nil && parsed == id
}

// read gets JSON from an address whose host was checked before. A token that is refused right after it
// was issued means that the org does not let us in.
func (o OAuth) read(ctx context.Context, op, address string, access bridge.Secret, out any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return bridge.E(op, bridge.Internal, errRequest)
	}
	request.Header.Set("Authorization", "Bearer "+access.Reveal())
	request.Header.Set("Accept", "application/json")
	response, err := o.HTTP.Do(request)
	if err != nil {
		return bridge.E(op, bridge.Unavailable, withoutAddress(err))
	}
	defer drain(response.Body)
	if response.StatusCode != http.StatusOK {
		err := refused(op, response)
		if bridge.KindOf(err) == bridge.Revoked || strings.HasPrefix(bridge.CodeOf(err), "API_") {
			return bridge.E(op, bridge.Denied, err)
		}
		return err
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(out); err != nil {
		return bridge.E(op, bridge.Unavailable, errUnreadable)
	}
	return nil
}
