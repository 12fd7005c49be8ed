package outbound

import "net/http"

// acknowledgement is what Salesforce waits for. Anything else makes it send the whole envelope again, for a day.
var acknowledgement = []byte(`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>` +
	`<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>` +
	`</soapenv:Body></soapenv:Envelope>`)

// Ack answers that an envelope was taken, with all of its notifications. It comes last: Salesforce forgets them on reading it.
func Ack(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
	_, _ = w.Write(acknowledgement) // unless somebody is there to read it, it comes again
}
