package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	lambdaclient "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	"github.com/referralbridge/referralbridge/internal/campaign"
	"github.com/referralbridge/referralbridge/internal/config"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/doctor"
	"github.com/referralbridge/referralbridge/internal/erasure"
	"github.com/referralbridge/referralbridge/internal/importer"
	"github.com/referralbridge/referralbridge/internal/inbox"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/letter"
	"github.com/referralbridge/referralbridge/internal/oidc"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/signin"
	"github.com/referralbridge/referralbridge/internal/store"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// settings are what the template says.
type settings struct {
	table, appSecret, broker           string
	imports, changes, runs, provisions string // queues
	hints, conversions, plumbing       string // more of them
	baseURL, simulator, hero           string
	issuer, client                     string
	window                             time.Duration // in which ReferralHero counts calls
}

func readSettings(env *config.Env) settings {
	return settings{
		table: env.Need("TABLE"), appSecret: env.Need("APP_SECRET"), broker: env.Need("TOKEN_BROKER"),
		imports: env.Need("IMPORTS_QUEUE"), changes: env.Need("CHANGES_QUEUE"), runs: env.Need("RUNS_QUEUE"), provisions: env.Need("PROVISIONS_QUEUE"),
		hints: env.Need("HINTS_QUEUE"), conversions: env.Need("CONVERSIONS_QUEUE"), plumbing: env.Need("PLUMBING_QUEUE"),
		baseURL: env.Need("BASE_URL"), simulator: env.Simulator(), hero: env.Need("REFERRALHERO_URL"),
		issuer: env.Need("OIDC_ISSUER"), client: env.Need("OIDC_CLIENT_ID"),
		window: time.Duration(env.NeedInt("REFERRALHERO_WINDOW_SECONDS")) * time.Second,
	}
}

// patience is how long ReferralHero may take to answer while a person waits.
const patience = 12 * time.Second

// newConsole introduces the neighbours to each other.
func newConsole(s settings, cloud aws.Config) *console {
	secret := &secrets.Reader{Client: secretsmanager.NewFromConfig(cloud), ID: s.appSecret}
	rows := store.New(dynamodb.NewFromConfig(cloud), s.table, secrets.DataKeys(secret))
	rations := budget.Budget{Store: rows, Length: s.window, Now: time.Now}
	broker := invoke.Function[connect.Request, connect.Reply]{Client: invoke.Invoke(lambdaclient.NewFromConfig(cloud).Invoke), Name: s.broker}
	hosts := salesforce.Hosts{Simulator: s.simulator}
	toOrgs := hosts.HTTPClient()
	hero := &referralhero.Client{BaseURL: s.hero, HTTP: &http.Client{Timeout: patience}}
	campaigns := campaign.Service{
		Accounts: rows, Campaigns: rows, Connections: rows, Budget: rations, Now: time.Now,
		Lists: func(ctx context.Context, token bridge.Secret) ([]bridge.Campaign, int, error) {
			lists, quota, err := hero.Lists(ctx, token)
			return lists, quota.Left, err
		},
	}
	org := func(c bridge.Connection, insist bool) *salesforce.Client {
		return &salesforce.Client{HTTP: toOrgs, Hosts: hosts, Tokens: connect.Tokens{
			Store: rows, Broker: broker, Account: c.Account, Connection: c.ID, Insist: insist,
		}}
	}
	messages := sqs.NewFromConfig(cloud)
	jobs := queue.Topic[importer.Job]{Client: messages, URL: s.imports}
	deals := queue.Topic[conversion.Job]{Client: messages, URL: s.conversions}
	setups := queue.Topic[provision.Job]{Client: messages, URL: s.provisions}
	flows := plumbing.Service{
		Installations: rows, Connections: rows, Hooks: rows, Inbox: s.baseURL + conversion.Path, Now: time.Now,
		Jobs: queue.Topic[plumbing.Job]{Client: messages, URL: s.plumbing},
		Org:  func(c bridge.Connection) plumbing.Org { return org(c, false) },
	}
	connections := leaving{connect.Service{Connections: rows, Broker: broker, BaseURL: s.baseURL, Now: time.Now}, flows}
	imports := importer.Service{
		Imports: rows, Accounts: rows, Campaigns: rows, Connections: rows, Budget: rations, Now: time.Now,
		Jobs:        jobs,
		CheckFilter: salesforce.CheckFilter,
		Org:         func(c bridge.Connection) importer.Org { return org(c, false) },
	}
	syncs := syncer.Service{
		Rows: rows, Accounts: rows, Campaigns: rows, Connections: rows, Layouts: rows, Hero: hero, Budget: rations, Now: time.Now,
		Org:     func(c bridge.Connection) syncer.Org { return org(c, false) },
		Changes: queue.Topic[syncer.Hint]{Client: messages, URL: s.changes}.Send, Jobs: queue.Topic[syncer.Job]{Client: messages, URL: s.runs}.Send,
	}
	tracked := conversion.Service{
		Ledger: rows, Accounts: rows, Campaigns: rows, Connections: rows, Layouts: rows, Hero: onlooker{hero}, Jobs: deals, Budget: rations, Now: time.Now,
		Org: func(c bridge.Connection) conversion.Console { return org(c, false) },
		Listen: func(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, wanted bool) error {
			return conversion.Listen(ctx, rows, account, connection, wanted)
		},
		Install: flows.Ensure,
	}
	return &console{
		BaseURL: s.baseURL, Simulator: s.simulator, Hero: origin(s.hero), Now: time.Now,
		SignIns:     signin.Service{Store: rows, Issuer: newIssuer(s, secret)},
		Accounts:    campaigns,
		Webhooks:    inbox.Service{Webhooks: rows, BaseURL: s.baseURL, Now: time.Now},
		Campaigns:   campaigns,
		Connections: connections,
		Imports:     imports,
		Waiting: waking{
			imports: importer.Waker{Imports: rows, Jobs: jobs, Now: time.Now}, flows: flows,
			deals: conversion.Waker{Ledger: rows, Jobs: deals, Now: time.Now}, fields: setups,
		},
		Doctor: doctor.Service{
			Connections: rows, Reports: rows, Layout: rows.Layout, Installed: installed(flows, rows), Now: time.Now,
			Org: func(c bridge.Connection) doctor.Org { return org(c, true) },
		},
		Sync:   syncs,
		Events: tracked,
		Flows:  flows,
		Fields: provision.Service{
			Connections: rows, Rows: rows, Jobs: setups, Changed: syncs.Fields, Now: time.Now,
			Org: func(c bridge.Connection) provision.Org { return org(c, false) },
		},
		Letters: letter.Service{Letters: rows, Now: time.Now, Send: queue.Returns{Client: messages, URLs: map[letter.Queue]string{
			letter.Imports: s.imports, letter.SubscriberHints: s.hints, letter.SubscriberChanges: s.changes, letter.SyncRuns: s.runs,
			letter.Provisions: s.provisions, letter.Conversions: s.conversions, letter.Plumbing: s.plumbing,
		}}.Send},
		Erasure: erasure.Service{Rows: rows, Connections: connections, Imports: imports, Now: time.Now, Log: slog.Default()},
	}
}

// origin is where a service is that has its API at an address.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/"
}

func newIssuer(s settings, secret *secrets.Reader) *oidc.Issuer {
	return &oidc.Issuer{
		URL: s.issuer, ClientID: s.client, RedirectURL: s.baseURL + "/sign-in/callback", HomeURL: s.baseURL + "/",
		Secret: func(ctx context.Context) (bridge.Secret, error) {
			document, err := secrets.Load[struct {
				Secret string `json:"oidcClientSecret"`
			}](ctx, secret)
			return bridge.NewSecret(document.Secret), err
		},
	}
}
