package ses

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
)

// deepest is how far parts of a message may be nested: a forged message must not exhaust the stack.
const deepest = 10

// readRaw takes a MIME message apart as far as people look at it: addresses, subject, the first text and the first HTML.
func readRaw(data []byte) (Mail, error) {
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return Mail{}, err
	}
	h := message.Header
	m := Mail{Subject: plain(h.Get("Subject")), From: h.Get("From"), Headers: map[string]string{}}
	for _, name := range []string{"To", "Cc", "Bcc"} {
		if h.Get(name) == "" {
			continue
		}
		list, err := h.AddressList(name)
		if err != nil {
			return Mail{}, err
		}
		for _, a := range list {
			m.To = append(m.To, a.String())
		}
	}
	for name := range h {
		if strings.HasPrefix(name, "X-") || strings.HasPrefix(name, "List-") {
			m.Headers[name] = h.Get(name)
		}
	}
	return m, m.read(textproto.MIMEHeader(h), message.Body, 0)
}

func (m *Mail) read(h textproto.MIMEHeader, body io.Reader, depth int) error {
	if depth > deepest {
		return errors.New("parts are nested too deeply")
	}
	kind, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if h.Get("Content-Type") == "" {
		kind, err = "text/plain", nil
	}
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, parameters["boundary"])
		for {
			part, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := m.read(part.Header, part, depth+1); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(h.Get("Content-Transfer-Encoding")) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	switch {
	case kind == "text/plain" && m.Text == "":
		m.Text = string(text)
	case kind == "text/html" && m.HTML == "":
		m.HTML = string(text)
	}
	return nil
}

// plain decodes a header for people to read; what cannot be decoded is shown as it is.
func plain(header string) string {
	decoded, err := new(mime.WordDecoder).DecodeHeader(header)
	if err != nil {
		return header
	}
	return decoded
}
