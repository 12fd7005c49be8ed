package importer

import "github.com/referralbridge/referralbridge/internal/bridge"

// Job asks for a step of an import. It carries keys only: what to do is read from the table.
type Job struct {
	Account bridge.AccountID `json:"account"`
	Import  bridge.ImportID  `json:"import"`
	Page    int              `json:"page,omitempty"` // 0 asks to plan, dispatch or finish
	Pass    int              `json:"pass,omitempty"` // of the page's work
}

// Group names the account, so that one account's jobs cannot delay another's.
func (j Job) Group() string { return string(j.Account) }
