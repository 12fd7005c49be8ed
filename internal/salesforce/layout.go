package salesforce

import (
	"context"
	"net/url"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
)

// described is a field as describe tells it.
type described struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Length     int    `json:"length"`
	Precision  int    `json:"precision"`
	Scale      int    `json:"scale"`
	ExternalID bool   `json:"externalId"`
	Unique     bool   `json:"unique"`
	Createable bool   `json:"createable"`
	Updateable bool   `json:"updateable"`
}

// describedTypes are the types of the fourteen fields as describe calls them.
var describedTypes = map[string]bridge.FieldType{
	"string": bridge.TextField, "url": bridge.URLField, "double": bridge.NumberField, "datetime": bridge.DateTimeField,
}

// Describe returns the fields of an object that the connected user may see; NotFound if they may not read the object.
func (c *Client) Describe(ctx context.Context, object string) (provision.Description, error) {
	const op = "salesforce.Describe"
	var answer struct {
		Fields []described `json:"fields"`
	}
	if err := c.get(ctx, op, data+"/sobjects/"+url.PathEscape(object)+"/describe", &answer); err != nil {
		return provision.Description{}, err
	}
	d := provision.Description{Fields: make(map[string]provision.Shape, len(answer.Fields))}
	for _, f := range answer.Fields {
		d.Fields[strings.ToLower(f.Name)] = provision.Shape{
			Name: f.Name, Type: describedTypes[f.Type], Word: f.Type, Length: f.Length, Digits: f.Precision - f.Scale,
			Key: f.ExternalID && f.Unique, Editable: f.Createable && f.Updateable,
		}
	}
	_, d.Persons = d.Field("IsPersonAccount") // contacts have it only where there are person accounts
	return d, nil
}

// Look returns the layout with those of its fields that the connected user may write now.
func (c *Client) Look(ctx context.Context, l bridge.Layout) (bridge.Layout, error) {
	const op = "salesforce.Look"
	d, err := c.Describe(ctx, l.Object)
	if err != nil {
		return bridge.Layout{}, bridge.E(op, "", err)
	}
	return d.Fit(l), nil
}
