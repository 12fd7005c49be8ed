package salesforce

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

const (
	// mostUploaded keeps a load under the 150 MB that Salesforce takes, which it counts after an encoding of its own.
	mostUploaded = 100 << 20
	// uploadPatience is how long an upload may take, from the first row to the answer.
	uploadPatience = 10 * time.Minute
	// abortPatience is how long is spent on taking a job back whose beginning failed.
	abortPatience = 10 * time.Second

	jobs = data + "/jobs/ingest/"
)

// job is a job of the Bulk API 2.0, as Salesforce is told of it, or tells of it.
type job struct {
	ID         string `json:"id,omitempty"`
	Object     string `json:"object,omitempty"`
	Operation  string `json:"operation,omitempty"`
	Key        string `json:"externalIdFieldName,omitempty"`
	Type       string `json:"contentType,omitempty"`
	LineEnding string `json:"lineEnding,omitempty"`
	Delimiter  string `json:"columnDelimiter,omitempty"`
	State      string `json:"state,omitempty"`
	Processed  int    `json:"numberRecordsProcessed,omitempty"`
	Failed     int    `json:"numberRecordsFailed,omitempty"`
}

// BeginLoad hands rows to the Bulk API, which writes them in its own time, and returns the job that does so; it is
// empty if there were no rows. Of each row those of the given fields are written that the change names and that the
// connected user may edit. With create, rows go by their SUB_ID, and where no record has it, one is made of the row's
// person; otherwise they go by their ID. Person accounts cannot be created so, and no duplicate rule is overruled.
//
// Rows are asked for once, while they are sent. At about 100 MB, as much as a load may have, no more are asked for:
// those that were are in it. After an error nothing is written, unless it is an UnknownOutcome: then it may be, and may
// be written again.
func (c *Client) BeginLoad(ctx context.Context, layouts map[string]bridge.Layout, target bridge.Target, fields bridge.FieldSet, create bool, rows iter.Seq[bridge.Change]) (string, error) {
	const op = "salesforce.BeginLoad"
	t, err := newTable(op, newEncoder(layouts), target, fields, create)
	if err != nil {
		return "", err
	}
	var up *upload
	var line []byte
	for change := range rows {
		if err = t.check(op, change); err != nil {
			break
		}
		if up == nil {
			if up, err = c.beginUpload(ctx, op, t); err != nil {
				return "", err
			}
		}
		line = t.appendRow(line[:0], change)
		if !up.write(line) {
			break
		}
	}
	if up == nil {
		return "", err
	}
	if err = up.end(err); err == nil {
		err = c.setState(ctx, op, up.job, "UploadComplete")
	}
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
		defer cancel()
		if undo := c.setState(ctx, op, up.job, "Aborted"); undo == nil && bridge.KindOf(err) == bridge.UnknownOutcome {
			err = bridge.E(op, bridge.Unavailable, err)
		}
		return "", err
	}
	return up.job, nil
}

// LoadState tells how far a job is. NotFound means that it ended more than seven days ago, or that there never was one.
func (c *Client) LoadState(ctx context.Context, id string) (bridge.Load, error) {
	const op = "salesforce.LoadState"
	var told job
	if err := c.get(ctx, op, jobs+url.PathEscape(id), &told); err != nil {
		return bridge.Load{}, err
	}
	l := bridge.Load{Processed: told.Processed, Failures: told.Failed}
	switch told.State {
	case "JobComplete":
		l.Ended = true
	case "Failed", "Aborted":
		l.Ended, l.Failed = true, true
	case "":
		return bridge.Load{}, bridge.E(op, bridge.Unavailable, errUnreadable)
	}
	return l, nil
}

// AbortLoad ends a job. What it has written stays written.
func (c *Client) AbortLoad(ctx context.Context, id string) error {
	return c.setState(ctx, "salesforce.AbortLoad", id, "Aborted")
}

// LoadFailures gives each row that a job could not write to each. What it could write is not asked for: Salesforce
// would send all of it back.
func (c *Client) LoadFailures(ctx context.Context, id string, each func(bridge.LoadFailure)) error {
	const op = "salesforce.LoadFailures"
	call := request{method: http.MethodGet, path: jobs + url.PathEscape(id) + "/failedResults/", header: [][2]string{{"Accept", "text/csv"}},
		most: mostStreamed, patience: uploadPatience}
	return c.send(ctx, op, call, func(body io.Reader) error { return readFailures(op, body, each) })
}

// readFailures reads the rows that failed. If there are none, Salesforce sends nothing, a header, or a sentence.
func readFailures(op string, body io.Reader, each func(bridge.LoadFailure)) error {
	in := csv.NewReader(body)
	in.ReuseRecord = true
	in.FieldsPerRecord = -1 // counted here: a sentence has no columns
	header, err := in.Read()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	told, key := -1, -1
	for i, name := range header {
		switch {
		case name == "sf__Error":
			told = i
		case !strings.HasPrefix(name, "sf__") && key < 0: // the first of our own columns
			key = i
		}
	}
	width := len(header)
	for {
		line, err := in.Read()
		switch {
		case err == io.EOF && (told >= 0 || width == 1):
			return nil
		case err != nil:
			return err
		case told < 0 || key < 0 || len(line) != width:
			return errUnreadable
		}
		each(bridge.LoadFailure{Key: strings.Clone(line[key]), Err: rowError(op, strings.Clone(line[told]))})
	}
}

// rowError reads an error such as "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --".
func rowError(op, text string) error {
	name, said, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(text), "--"), ":")
	var fields string
	if i := strings.LastIndexByte(said, ':'); i >= 0 {
		said, fields = said[:i], strings.TrimSpace(said[i+1:])
	}
	e := &bridge.Error{Op: op, Kind: bridge.Invalid, Message: said}
	e.Field, _, _ = strings.Cut(fields, ",")
	complaint{ErrorCode: name, Message: said}.about(e)
	return e
}

// setState tells Salesforce to begin a job's work, or to end it.
func (c *Client) setState(ctx context.Context, op, id, state string) error {
	body, err := json.Marshal(job{State: state})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	var told job
	return c.send(ctx, op, request{method: http.MethodPatch, path: jobs + url.PathEscape(id), body: body, writes: true}, into(&told))
}

// upload is one that is under way.
type upload struct {
	job  string
	pipe *io.PipeWriter
	out  *bufio.Writer
	sent int
	done chan error // what became of the request
}

// beginUpload creates a job and begins to send its rows.
func (c *Client) beginUpload(ctx context.Context, op string, t *table) (*upload, error) {
	body, err := json.Marshal(t.job)
	if err != nil {
		return nil, bridge.E(op, bridge.Internal, err)
	}
	var made job
	// A job that is made without our knowing it does nothing, and Salesforce forgets it: trying again does no harm.
	if err := c.send(ctx, op, request{method: http.MethodPost, path: strings.TrimSuffix(jobs, "/"), body: body}, into(&made)); err != nil {
		return nil, err
	}
	if _, err := bridge.ParseSalesforceID(made.ID); err != nil {
		return nil, bridge.E(op, bridge.Unavailable, errUnreadable)
	}
	in, pipe := io.Pipe()
	up := &upload{job: made.ID, pipe: pipe, out: bufio.NewWriterSize(pipe, 64<<10), done: make(chan error, 1)}
	go func() {
		call := request{method: http.MethodPut, path: jobs + made.ID + "/batches", upload: in, header: [][2]string{{"Content-Type", "text/csv; charset=UTF-8"}},
			patience: uploadPatience}
		err := c.send(ctx, op, call, func(body io.Reader) error { return nil })
		_ = in.CloseWithError(errUploaded) // whoever is still writing must not wait for a reader
		up.done <- err
	}()
	up.write(t.appendHeader(nil))
	return up, nil
}

var errUploaded = errors.New("the upload is over")

// write sends lines, and reports whether there is room for more. A failure shows at the end.
func (u *upload) write(lines []byte) bool {
	n, err := u.out.Write(lines)
	u.sent += n
	return err == nil && u.sent < mostUploaded
}

// end ends the upload, by cutting it off if err is not nil, and returns why it failed.
func (u *upload) end(err error) error {
	written := u.out.Flush()
	_ = u.pipe.CloseWithError(err) // nil means that all is there
	answered := <-u.done
	switch {
	case err != nil:
		return err
	case answered != nil:
		return answered
	case written != nil: // an answer before the end
		return bridge.E("salesforce.BeginLoad", bridge.Unavailable, errUnreadable)
	}
	return nil
}
