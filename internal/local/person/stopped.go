package person

import "context"

// Stopped opens the page of the work that stopped, and returns the ids of what is there.
func (p *Person) Stopped(ctx context.Context) (ids []string, err error) {
	if err := p.Browser.Open(ctx, p.Console+"/stopped"); err != nil {
		return nil, err
	}
	for _, line := range p.Browser.Page().Lines {
		if id := line["letter"]; id != "" {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// TryAgain presses the button of a piece of work that stopped.
func (p *Person) TryAgain(ctx context.Context, id string) error {
	return p.fill(ctx, "/stopped", "again-"+id, nil)
}
