package salesforce

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

const (
	// mostStreamed is the most that is read of an answer whose rows are not kept: five pages of long texts.
	mostStreamed = 256 << 20
	// readPatience is how long five queries in one call may take.
	readPatience = time.Minute
)

// page is what an answer told about the rows of one query.
type page struct {
	rows int
	done bool   // there are no more
	next string // where the next ones are, if there are
	err  error  // the query was refused
}

// pages makes up to five queries by one call, and gives each row to each while it is read, with the position of its
// query. An error of each ends the reading, and is returned.
func (c *Client) pages(ctx context.Context, op string, paths []string, columns map[string]int, each func(query int, r *row) error) ([]page, error) {
	var pages []page
	var stopped error
	give := func(query int, r *row) error {
		stopped = each(query, r)
		return stopped
	}
	call := request{method: http.MethodGet, path: paths[0]}
	read := decodePage
	if len(paths) > 1 {
		parts := make([]part, len(paths))
		for i, path := range paths {
			parts[i] = part{method: http.MethodGet, path: path}
		}
		call, read = composed(parts), decodePages
	}
	call.most, call.patience = mostStreamed, readPatience
	err := c.send(ctx, op, call, func(body io.Reader) (err error) {
		pages, err = read(op, body, len(paths), columns, give)
		if stopped != nil {
			return nil
		}
		return err
	})
	if stopped != nil {
		return nil, stopped
	}
	return pages, err
}

// decodePage reads the answer to a query.
func decodePage(op string, body io.Reader, _ int, columns map[string]int, each func(int, *row) error) ([]page, error) {
	d := json.NewDecoder(body)
	var p page
	told, err := p.decode(d, columns, func(r *row) error { return each(0, r) })
	if err == nil && told != nil {
		err = errUnreadable
	}
	return []page{p}, err
}

// decodePages reads the answers to n queries of a composite call, which come in the order of the queries.
func decodePages(op string, body io.Reader, n int, columns map[string]int, each func(int, *row) error) ([]page, error) {
	d := json.NewDecoder(body)
	var pages []page
	err := object(d, func(name string) error {
		if name != "compositeResponse" {
			return skip(d)
		}
		return array(d, func() error {
			var p page
			var told *complaint
			var answer partAnswer
			err := object(d, func(name string) (err error) {
				switch name {
				case "body":
					told, err = p.decode(d, columns, func(r *row) error { return each(len(pages), r) })
				case "httpStatusCode":
					err = d.Decode(&answer.Status)
				case "referenceId":
					err = d.Decode(&answer.Reference)
				default:
					err = skip(d)
				}
				return err
			})
			if err != nil || answer.Reference != reference(len(pages)) || len(pages) == n {
				return errUnreadable
			}
			if told != nil || answer.Status != http.StatusOK {
				if told == nil {
					told = &complaint{}
				}
				p.err = answer.refusal(op, *told, false)
			}
			pages = append(pages, p)
			return nil
		})
	})
	if err == nil && len(pages) != n {
		err = errUnreadable
	}
	return pages, err
}

// decode reads a page, or else what Salesforce complains of.
func (p *page) decode(d *json.Decoder, columns map[string]int, each func(*row) error) (*complaint, error) {
	switch opening, err := d.Token(); {
	case err != nil:
		return nil, err
	case opening == json.Delim('['):
		var told *complaint
		err := rest(d, func() error {
			var one complaint
			err := d.Decode(&one)
			if told == nil {
				told = &one
			}
			return err
		})
		return told, err
	case opening != json.Delim('{'):
		return nil, errUnreadable
	}
	r := &row{columns: columns}
	listed := false
	err := rest(d, func() error {
		name, err := d.Token()
		if err != nil {
			return err
		}
		switch name {
		case "done":
			return d.Decode(&p.done)
		case "nextRecordsUrl":
			return d.Decode(&p.next)
		case "records":
			listed = true
			return array(d, func() error {
				if err := d.Decode(r); err != nil {
					return err
				}
				p.rows++
				return each(r)
			})
		}
		return skip(d)
	})
	if err == nil && !listed {
		err = errUnreadable
	}
	return nil, err
}

// object reads a JSON object: each has to read the value of a name.
func object(d *json.Decoder, each func(name string) error) error {
	if opening, err := d.Token(); err != nil || opening != json.Delim('{') {
		return errUnreadable
	}
	return rest(d, func() error {
		name, err := d.Token()
		if err != nil {
			return err
		}
		return each(name.(string)) // what a name is, the decoder has checked
	})
}

// array reads a JSON array: each has to read a value.
func array(d *json.Decoder, each func() error) error {
	if opening, err := d.Token(); err != nil || opening != json.Delim('[') {
		return errUnreadable
	}
	return rest(d, each)
}

// rest reads an object or an array after its opening.
func rest(d *json.Decoder, each func() error) error {
	for d.More() {
		if err := each(); err != nil {
			return err
		}
	}
	_, err := d.Token() // the closing
	return err
}

// skip reads a value that nobody needs.
func skip(d *json.Decoder) error {
	var value json.RawMessage
	return d.Decode(&value)
}
