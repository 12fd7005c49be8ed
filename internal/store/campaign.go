package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

type campaignRecord struct {
	ID          string    `dynamodbav:"id"`
	Name        string    `dynamodbav:"name"`
	Subscribers int       `dynamodbav:"subscribers"`
	SeenAt      time.Time `dynamodbav:"seenAt"`
	Listed      bool      `dynamodbav:"listed"`
	Connection  string    `dynamodbav:"connection"`
	Identifier  string    `dynamodbav:"identifier"`
	Events      int       `dynamodbav:"events"`
	URL         string    `dynamodbav:"url"`
	Version     int       `dynamodbav:"version"`
}

func (r campaignRecord) noun(account bridge.AccountID) bridge.Campaign {
	return bridge.Campaign{
		ID: bridge.CampaignID(r.ID), Account: account, Name: r.Name, Subscribers: r.Subscribers, SeenAt: r.SeenAt, Listed: r.Listed,
		Connection: bridge.ConnectionID(r.Connection), Identifier: bridge.Identifier(r.Identifier), Events: r.Events, URL: r.URL,
		Version: r.Version,
	}
}

// Campaign returns a campaign of the account, or NotFound.
func (s *Store) Campaign(ctx context.Context, account bridge.AccountID, id bridge.CampaignID) (bridge.Campaign, error) {
	var r campaignRecord
	if err := s.get(ctx, "store.Campaign", campaignKey(account, id), &r); err != nil {
		return bridge.Campaign{}, err
	}
	return r.noun(account), nil
}

// Campaigns returns every campaign of the account, in order of their ids.
func (s *Store) Campaigns(ctx context.Context, account bridge.AccountID) ([]bridge.Campaign, error) {
	const op = "store.Campaigns"
	values, err := bind(map[string]any{":pk": partition(account), ":family": campaigns})
	if err != nil {
		return nil, bridge.E(op, bridge.Internal, err)
	}
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
		TableName: &s.table, ConsistentRead: pointer(true),
		KeyConditionExpression:    pointer("pk = :pk AND begins_with(sk, :family)"),
		ExpressionAttributeValues: values,
	})
	var all []bridge.Campaign
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, reading(op, err)
		}
		records, err := decodeAll[campaignRecord](page.Items)
		if err != nil {
			return nil, bridge.E(op, "", err)
		}
		for _, r := range records {
			all = append(all, r.noun(account))
		}
	}
	return all, nil
}

// SaveCampaign adds a campaign of version 0, or replaces one, and raises its version. It is a Conflict
// unless the version is still the one that was read.
func (s *Store) SaveCampaign(ctx context.Context, c bridge.Campaign) error {
	const op = "store.SaveCampaign"
	r := campaignRecord{
		ID: string(c.ID), Name: c.Name, Subscribers: c.Subscribers, SeenAt: c.SeenAt.UTC(), Listed: c.Listed,
		Connection: string(c.Connection), Identifier: string(c.Identifier), Events: c.Events, URL: c.URL, Version: c.Version + 1,
	}
	return s.putVersion(ctx, op, campaignKey(c.Account, c.ID), r, c.Version)
}
