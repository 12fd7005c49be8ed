package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

type campaign struct {
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

func (c campaign) noun(account bridge.AccountID) bridge.Campaign {
	return bridge.Campaign{
		ID: bridge.CampaignID(c.ID), Account: account, Name: c.Name, Subscribers: c.Subscribers, SeenAt: c.SeenAt, Listed: c.Listed,
		Connection: bridge.ConnectionID(c.Connection), Identifier: bridge.Identifier(c.Identifier), Events: c.Events, URL: c.URL,
		Version: c.Version,
	}
}

// Campaign returns a campaign of the account, or NotFound.
func (s *Store) Campaign(ctx context.Context, account bridge.AccountID, id bridge.CampaignID) (bridge.Campaign, error) {
	var row campaign
	if err := s.get(ctx, "store.Campaign", campaignKey(account, id), &row); err != nil {
		return bridge.Campaign{}, err
	}
	return row.noun(account), nil
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
		var rows []campaign
		if err := attributevalue.UnmarshalListOfMaps(page.Items, &rows); err != nil {
			return nil, bridge.E(op, bridge.Internal, err)
		}
		for _, row := range rows {
			all = append(all, row.noun(account))
		}
	}
	return all, nil
}

// SaveCampaign adds a campaign of version 0, or replaces one, and raises its version. It is a Conflict
// unless the version is still the one that was read.
func (s *Store) SaveCampaign(ctx context.Context, c bridge.Campaign) error {
	const op = "store.SaveCampaign"
	row := campaign{
		ID: string(c.ID), Name: c.Name, Subscribers: c.Subscribers, SeenAt: c.SeenAt.UTC(), Listed: c.Listed,
		Connection: string(c.Connection), Identifier: string(c.Identifier), Events: c.Events, URL: c.URL, Version: c.Version + 1,
	}
	if c.Version == 0 {
		return s.put(ctx, op, campaignKey(c.Account, c.ID), row, absent, nil)
	}
	return s.put(ctx, op, campaignKey(c.Account, c.ID), row, versioned, map[string]any{":was": c.Version})
}
