package plumbing

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// rights are what installing takes of the connected user, by their names in the API, as Setup calls them.
var rights = []struct{ name, label string }{
	{"ViewSetup", "View Setup and Configuration"},
	{"CustomizeApplication", "Customize Application"},
	{"ModifyMetadata", "Modify Metadata Through Metadata API Functions"},
	{"ManageInteraction", "Manage Flow"},
}

// limited are the editions that have no outbound messages, by a word of Organization.OrganizationType.
// https://help.salesforce.com/s/articleView?id=sf.workflow_managing_outbound_messages.htm
var limited = []string{"Professional", "Group", "Team", "Essentials", "Starter", "Base", "Personal", "Contact Manager"}

// prepare lets messages in, and finds out what the org allows.
func (t *turn) prepare(ctx context.Context) (time.Duration, error) {
	i := t.i
	if err := t.listenTo(ctx); err != nil {
		return again, &ownTrouble{err}
	}
	if i.Deployment != "" {
		i.Stage = Landing // one that was sent before it was asked for again
		return again, nil
	}
	edition, err := t.org.Edition(ctx)
	if err != nil {
		return again, err
	}
	if slices.ContainsFunc(limited, func(word string) bool { return strings.Contains(edition, word) }) {
		i.Route, i.Edition = PollOnly, edition
		return t.rest(), nil
	}
	visible, err := t.org.Fields(ctx, object)
	if bridge.KindOf(err) == bridge.NotFound || err == nil && !slices.Contains(visible, stage) {
		i.Fault, i.Details = StagesHidden, nil
		return t.patience(), nil
	}
	if err != nil {
		return again, err
	}
	i.Currency = slices.Contains(visible, currency)
	missing, err := t.missing(ctx)
	if err != nil {
		return again, err
	}
	i.Route, i.Edition, i.Stage = ByDeployment, "", Comparing
	if missing != nil {
		i.Route, i.Fault, i.Details = ByHand, RightsMissing, missing
	}
	return again, nil
}

// listenTo lets messages in by the hook, if they come in by the one before.
func (t *turn) listenTo(ctx context.Context) error {
	i := t.i
	h := Hook{Account: i.Account, Connection: i.Connection}
	if !i.Former.Empty() {
		former, err := t.s.Hooks.InstalledHook(ctx, i.Former)
		if err != nil && bridge.KindOf(err) != bridge.NotFound {
			return err
		}
		h.Off = former.Off
	}
	return t.s.Hooks.InstallHook(ctx, i.Hook, h, t.s.Now())
}

// missing returns the rights that the user lacks. An org that does not tell is not held against the user.
func (t *turn) missing(ctx context.Context) ([]string, error) {
	has, err := t.org.Permissions(ctx)
	switch bridge.KindOf(err) {
	case "":
	case bridge.NotFound, bridge.Invalid, bridge.Denied:
		return nil, nil
	default:
		return nil, err
	}
	var labels []string
	for _, r := range rights {
		if !has[r.name] && !(r.name == "ModifyMetadata" && has["ModifyAllData"]) {
			labels = append(labels, r.label)
		}
	}
	return labels, nil
}

// rest is how a comparison ends that found nothing to do.
func (t *turn) rest() time.Duration {
	i := t.i
	i.Stage, i.Mend, i.Tries, i.Rounds, i.CheckedAt = Resting, false, 0, 0, t.s.Now()
	i.Fault, i.Details, i.Message, i.Flow = "", nil, false, false
	return day
}

// mostRounds is how many deployments one wish is worth. The second is for what a first one did not bring about.
const mostRounds = 2

// deploy sends what is missing. Salesforce takes a package now and installs it later.
func (t *turn) deploy(ctx context.Context) (time.Duration, error) {
	i := t.i
	if i.Rounds >= mostRounds {
		i.Fault, i.Details, i.Stage = DeploymentUnseen, []string{label(i.Name)}, Stopped
		return never, nil
	}
	var p Package
	if i.Message {
		username, active, err := t.org.Username(ctx, t.c.User)
		if err != nil {
			return again, err
		}
		if !active {
			i.Fault, i.Details = UserInactive, []string{username}
			return t.patience(), nil
		}
		p.Message = t.s.message(*i, username)
	}
	if i.Flow {
		if err := t.makeRoom(ctx); err != nil {
			return again, err
		}
		p.Flow = flowPlan(*i)
	}
	id, err := t.org.Deploy(ctx, p)
	if err != nil {
		return again, err
	}
	i.Deployment, i.DeployedAt, i.Queued, i.Stage, i.Rounds = id, t.s.Now(), true, Landing, i.Rounds+1
	i.Fault, i.Details = "", nil
	return pauses[0], nil
}

// A flow has at most 50 versions. Old ones make room when there are not many left.
const (
	mostVersions = 45
	roomFor      = 10
)

// makeRoom deletes old versions of the flow, if there are too many. Their numbers rise for ever, and so tell when it is
// worth a look.
func (t *turn) makeRoom(ctx context.Context) error {
	if t.i.Definition == "" || t.latest < mostVersions {
		return nil
	}
	versions, err := t.org.FlowVersions(ctx, t.i.Definition)
	if err != nil || len(versions) < mostVersions {
		return err
	}
	slices.SortFunc(versions, func(a, b FlowVersion) int { return a.Number - b.Number })
	for _, v := range versions[:roomFor] {
		if v.Active {
			continue
		}
		if err := t.org.DeleteFlowVersion(ctx, v.ID); err != nil && bridge.KindOf(err) != bridge.NotFound {
			return err
		}
	}
	return nil
}

// land looks how far the deployment is.
func (t *turn) land(ctx context.Context) (time.Duration, error) {
	i := t.i
	d, err := t.org.Deployment(ctx, i.Deployment)
	if bridge.KindOf(err) == bridge.NotFound { // Salesforce forgets: what came of it is seen in the org
		i.Deployment, i.Stage = "", Comparing
		return again, nil
	}
	if err != nil {
		return again, err
	}
	if !d.Done {
		i.Queued = !d.Begun
		return waiting(t.s.Now().Sub(i.DeployedAt)), nil
	}
	i.Deployment, i.Queued, i.Stage = "", false, Comparing
	switch {
	case d.Succeeded:
		if i.Flow {
			i.Version, i.Number = "", 0 // whichever is the latest now
		}
		return again, nil
	case d.Canceled:
		i.Fault, i.Details = DeploymentCanceled, nil
	case d.Uncovered && !i.Draft:
		i.Draft, i.Stage = true, Deploying
		i.Rounds-- // that was not it
		return again, nil
	default:
		i.Fault, i.Details = DeploymentRefused, nil
		for _, p := range d.Problems {
			i.Details = append(i.Details, strings.TrimPrefix(p.Component+": "+p.Words, ": "))
		}
	}
	i.Stage = Stopped
	return never, nil
}

// waiting is the pause between looks at a deployment that was sent some time ago. Others may keep it waiting for hours.
func waiting(since time.Duration) time.Duration {
	switch {
	case since < 30*time.Second:
		return 5 * time.Second
	case since < 5*time.Minute:
		return 20 * time.Second
	case since < time.Hour:
		return time.Minute
	default:
		return longest
	}
}

// activate makes our version of the flow the active one. Orgs may leave that to their administrators.
func (t *turn) activate(ctx context.Context) (time.Duration, error) {
	i := t.i
	err := t.org.ActivateFlow(ctx, i.Definition, i.Number)
	switch bridge.KindOf(err) {
	case "":
		i.Stage = Comparing
		f, err := t.org.Flow(ctx, i.Name)
		if err != nil {
			return again, err
		}
		if f.Active == i.Version {
			return t.rest(), nil
		}
	case bridge.Denied, bridge.Invalid, bridge.NotFound, bridge.Internal, bridge.Conflict:
		i.Stage = Comparing
		there, unseen := t.versionThere(ctx)
		if unseen != nil {
			return again, unseen
		}
		if !there {
			i.Flow, i.Stage = true, Deploying
			return again, nil
		}
	default:
		return again, err
	}
	i.Fault, i.Details = ActivationRefused, []string{label(i.Name)}
	if said, _ := bridge.MessageOf(err); said != "" {
		i.Details = append(i.Details, said)
	}
	return t.patience(), nil
}

// versionThere reports whether the version that is to be active exists.
func (t *turn) versionThere(ctx context.Context) (bool, error) {
	versions, err := t.org.FlowVersions(ctx, t.i.Definition)
	if bridge.KindOf(err) == bridge.NotFound {
		return false, nil
	}
	return slices.ContainsFunc(versions, func(v FlowVersion) bool { return v.ID == t.i.Version }), err
}
