package salesforce

import (
	"context"
	"strconv"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
)

// staff are people who work in the org: no customers of its portals, no robots of Salesforce's own.
const staff = "IsActive = true AND UserType = 'Standard'"

// mostPeople is how many people a search returns.
const mostPeople = 200

// user is a User as the API has it.
type user struct {
	ID             bridge.SalesforceID `json:"Id"`
	Name, Username string
	Profile        struct{ Name string }
}

func (u user) user() provision.User {
	return provision.User{ID: u.ID, Name: u.Name, Username: u.Username, Profile: u.Profile.Name}
}

const selectUsers = "SELECT Id, Name, Username, Profile.Name FROM User WHERE "

// Users returns up to 200 active users whose names or usernames contain a text, by name, and whether there are more.
func (c *Client) Users(ctx context.Context, search string) (found []provision.User, more bool, err error) {
	const op = "salesforce.Users"
	statement := selectUsers + staff
	if search = strings.TrimSpace(search); search != "" {
		text := quote(search)
		contains := "'%" + strings.NewReplacer(`%`, `\%`, `_`, `\_`).Replace(text[1:len(text)-1]) + "%'"
		statement += " AND (Name LIKE " + contains + " OR Username LIKE " + contains + ")"
	}
	statement += " ORDER BY Name, Id LIMIT " + strconv.Itoa(mostPeople+1)
	err = query(ctx, c, op, statement, func(u user) bool {
		if more = len(found) == mostPeople; more {
			return false
		}
		found = append(found, u.user())
		return true
	})
	return found, more, err
}

// Named returns up to 200 users by their ids, active or not.
func (c *Client) Named(ctx context.Context, ids []bridge.SalesforceID) (found []provision.User, err error) {
	const op = "salesforce.Named"
	err = query(ctx, c, op, selectUsers+"Id IN ("+quoted(ids)+") ORDER BY Name, Id", func(u user) bool {
		found = append(found, u.user())
		return true
	})
	return found, err
}

// Profiles returns the profiles that active users have, by name.
func (c *Client) Profiles(ctx context.Context) ([]provision.Profile, error) {
	const op = "salesforce.Profiles"
	statement := "SELECT ProfileId, Profile.Name, COUNT(Id) people FROM User WHERE " + staff + " GROUP BY ProfileId, Profile.Name ORDER BY Profile.Name"
	var found []provision.Profile
	err := query(ctx, c, op, statement, func(r struct {
		ProfileID bridge.SalesforceID `json:"ProfileId"`
		Name      string
		People    int `json:"people"`
	}) bool {
		if r.ProfileID != "" {
			found = append(found, provision.Profile{ID: r.ProfileID, Name: r.Name, Users: r.People})
		}
		return true
	})
	return found, err
}

// UsersOf returns the active ones among the users, and all active users of the profiles.
func (c *Client) UsersOf(ctx context.Context, readers provision.Readers) ([]bridge.SalesforceID, error) {
	const op = "salesforce.UsersOf"
	var which []string
	if len(readers.Users) > 0 {
		which = append(which, "Id IN ("+quoted(readers.Users)+")")
	}
	if len(readers.Profiles) > 0 {
		which = append(which, "ProfileId IN ("+quoted(readers.Profiles)+")")
	}
	if which == nil {
		return nil, nil
	}
	var found []bridge.SalesforceID
	err := query(ctx, c, op, "SELECT Id FROM User WHERE "+staff+" AND ("+strings.Join(which, " OR ")+")", func(r struct {
		ID bridge.SalesforceID `json:"Id"`
	}) bool {
		found = append(found, r.ID)
		return true
	})
	return found, err
}
