package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// mostHeavy is how many queries and collections one composite call may have.
const mostHeavy = 5

// part is one of several requests that one call makes, in their order.
type part struct {
	method, path string
	header       [][2]string
	body         []byte
}

// reference is the name of the part at a position, by which later ones may refer to it.
func reference(position int) string { return "part" + strconv.Itoa(position) }

// partAnswer answers it.
type partAnswer struct {
	Reference string          `json:"referenceId"`
	Status    int             `json:"httpStatusCode"`
	Body      json.RawMessage `json:"body"`
}

// refusal is what it means that Salesforce complained about a part.
func (a partAnswer) refusal(op string, told complaint, wrote bool) error {
	e := &bridge.Error{Op: op, Kind: kindOfStatus(a.Status)}
	told.about(e)
	return undone(e, wrote, a.Status)
}

// compose makes up to five writes by one call, each for itself, and puts their answers, whatever these say, in their
// places.
func (c *Client) compose(ctx context.Context, op string, parts []part, answers []partAnswer) error {
	call := composed(parts)
	call.writes, call.patience = true, writePatience
	return c.send(ctx, op, call, func(body io.Reader) error {
		var told struct {
			Answers []partAnswer `json:"compositeResponse"`
		}
		if err := json.NewDecoder(body).Decode(&told); err != nil {
			return err
		}
		if len(told.Answers) == 0 {
			return errors.New("no answers")
		}
		for i := range answers {
			for _, a := range told.Answers {
				if a.Reference == reference(i) {
					answers[i] = a
				}
			}
		}
		return nil
	})
}

// composed is the call that makes several requests.
func composed(parts []part) request {
	b := []byte(`{"allOrNone":false,"compositeRequest":[`)
	for i, p := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"method":`...), p.method)
		b = appendText(append(b, `,"url":`...), p.path)
		b = appendText(append(b, `,"referenceId":`...), reference(i))
		opening, closing := `,"httpHeaders":{`, ""
		for _, h := range p.header {
			b = appendText(append(appendText(append(b, opening...), h[0]), ':'), h[1])
			opening, closing = ",", "}"
		}
		b = append(b, closing...)
		if p.body != nil {
			b = append(append(b, `,"body":`...), p.body...)
		}
		b = append(b, '}')
	}
	return request{method: http.MethodPost, path: data + "/composite", body: append(b, "]}"...)}
}
