package salesforce

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

const outboundSpace = "http://soap.sforce.com/2005/09/outbound"

// envelope writes notifications of one outbound message as they go over the wire: with the values that the records have
// now, as far as the message's user sees them. Of a record that is deleted these are its last ones. The caller holds the lock.
func (o *Org) envelope(message int, m outboundMessage, list []*Notification, organization id) []byte {
	messages := o.table("WorkflowOutboundMessage")
	t := o.table(messages.value(message, "EntityDefinitionId"))
	user := id(messages.value(message, "IntegrationUserId"))
	var fields []*field
	for _, name := range m.Fields {
		if f := t.field(name); f != nil && f.kind != kindID && o.visible(user, t.object, f) {
			fields = append(fields, f)
		}
	}
	slices.SortFunc(fields, func(a, b *field) int { return strings.Compare(a.name, b.name) })
	origin := orElse(strings.TrimSuffix(o.options.Origin, "/"), "https://simulated.my.salesforce.com")

	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="` + schemaInstance + `">
 <soapenv:Body>
  <notifications xmlns="` + outboundSpace + `">
`)
	line := func(indent int, name, value string) {
		b.WriteString(strings.Repeat(" ", indent) + "<" + name + ">")
		_ = xml.EscapeText(&b, []byte(value)) // a buffer takes everything
		b.WriteString("</" + name + ">\n")
	}
	line(3, "OrganizationId", string(organization))
	line(3, "ActionId", string(messages.rows[message].id()))
	b.WriteString("   <SessionId xsi:nil=\"true\"/>\n")
	for _, api := range []struct{ name, letter string }{{"EnterpriseUrl", "c"}, {"PartnerUrl", "u"}} {
		line(3, api.name, fmt.Sprintf("%s/services/Soap/%s/%.1f/%s", origin, api.letter, m.APIVersion, organization.short()))
	}
	for _, n := range list {
		b.WriteString("   <Notification>\n")
		line(4, "Id", n.ID)
		b.WriteString(`    <sObject xsi:type="sf:` + t.name + `" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">` + "\n")
		line(5, "sf:Id", n.Record)
		if at := t.find(id(n.Record)); at >= 0 {
			for _, f := range fields {
				if v := f.soapValue(t.rows[at]); v != "" {
					line(5, "sf:"+f.name, v)
				}
			}
		}
		b.WriteString("    </sObject>\n   </Notification>\n")
	}
	b.WriteString("  </notifications>\n </soapenv:Body>\n</soapenv:Envelope>\n")
	return b.Bytes()
}

// soapValue is the field's value of a row as SOAP writes it; nothing for null.
func (f *field) soapValue(r row) string {
	value := f.value(r)
	switch {
	case f.kind == kindBoolean:
		return strconv.FormatBool(value == "true")
	case value == "":
		return ""
	case f.kind == kindDatetime:
		return strings.TrimSuffix(wireDatetime(value), "+0000") + "Z"
	case f.kind == kindInt || !f.kind.number():
		return value
	}
	return string(appendDouble(nil, value))
}

// acknowledged reads the answer to a message: only an envelope that says so acknowledges it.
func acknowledged(answer []byte) bool {
	var in struct {
		XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
		Body    struct {
			Response struct {
				Ack string `xml:"http://soap.sforce.com/2005/09/outbound Ack"`
			} `xml:"http://soap.sforce.com/2005/09/outbound notificationsResponse"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}
	d := xml.NewDecoder(bytes.NewReader(answer))
	if d.Decode(&in) != nil {
		return false
	}
	for { // nothing but blanks may follow
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if text, blank := token.(xml.CharData); err != nil || !blank || len(bytes.TrimSpace(text)) > 0 {
			return false
		}
	}
	ack := strings.TrimSpace(in.Body.Response.Ack)
	return ack == "true" || ack == "1"
}
