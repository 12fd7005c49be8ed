package salesforce

import (
	"context"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// LoadsUnderWay counts the jobs of the Bulk API 2.0, whoever in the org began them, that were made since and are still
// to write. It is for a caller who does not know whether a job that it began was heard of.
func (c *Client) LoadsUnderWay(ctx context.Context, since time.Time) (int, error) {
	const op = "salesforce.LoadsUnderWay"
	list := strings.TrimSuffix(jobs, "/") + "?"
	n := 0
	for path := list + "jobType=V2Ingest"; ; {
		var page answer[struct {
			State     string `json:"state"`
			CreatedAt string `json:"createdDate"`
		}]
		if err := c.get(ctx, op, path, &page); err != nil {
			return 0, err
		}
		for _, j := range page.Records {
			made, ok := moment(j.CreatedAt)
			if (j.State == "UploadComplete" || j.State == "InProgress") && (!ok || !made.Before(since)) {
				n++
			}
		}
		if page.Done {
			return n, nil
		}
		if path = page.NextRecordsURL; !strings.HasPrefix(path, list) {
			return 0, bridge.E(op, bridge.Unavailable, errUnreadable)
		}
	}
}
