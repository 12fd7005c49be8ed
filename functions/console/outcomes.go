package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/importer"
)

// reasonCount is how many contacts ended alike, and why.
type reasonCount struct {
	Outcome bridge.Outcome
	Reason  string
	Count   int
}

// reasons counts contacts by outcome and reason, most first.
func reasons(contacts iter.Seq2[importer.Row, error]) ([]reasonCount, error) {
	counts := map[reasonCount]int{}
	for row, err := range contacts {
		if err != nil {
			return nil, err
		}
		counts[reasonCount{Outcome: row.Outcome, Reason: row.Reason}]++
	}
	all := make([]reasonCount, 0, len(counts))
	for reason, n := range counts {
		reason.Count = n
		all = append(all, reason)
	}
	slices.SortFunc(all, func(a, b reasonCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Reason, b.Reason))
	})
	return all, nil
}

// partSize is how many contacts one CSV file holds: an answer of Lambda must stay below six megabytes.
const partSize = 40_000

// part is a CSV file with the contacts from First to Last, counted from 1.
type part struct{ Number, First, Last int }

func parts(contacts int) []part {
	var all []part
	for first := 1; first <= contacts; first += partSize {
		all = append(all, part{Number: len(all) + 1, First: first, Last: min(contacts, first+partSize-1)})
	}
	return all
}

// importContacts answers with a CSV file of what became of each contact: of those with one outcome if the
// address names one, and of the given part.
func (v *visit) importContacts() error {
	page, err := v.importOf()
	if err != nil {
		return err
	}
	query := v.r.URL.Query()
	number := 1
	if text := query.Get("part"); text != "" {
		if number, err = strconv.Atoi(text); err != nil || number < 1 {
			return v.nowhere()
		}
	}
	only := bridge.Outcome(query.Get("outcome"))
	var file bytes.Buffer
	if err := writeContacts(&file, v.Imports.Outcomes(v.ctx(), v.acc(), page.Import.ID), only, number); err != nil {
		return err
	}
	name := "import-" + string(page.Import.ID)
	if only != "" {
		if !slices.ContainsFunc(outcomeWords, func(w outcomeWord) bool { return w.Outcome == only }) {
			return v.nowhere()
		}
		name += "-" + string(only)
	}
	if number > 1 || page.Processed() > partSize && only == "" {
		name += fmt.Sprintf("-part-%d", number)
	}
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	_, _ = v.w.Write(file.Bytes()) // a browser that hung up needs no answer
	return nil
}

func writeContacts(file *bytes.Buffer, contacts iter.Seq2[importer.Row, error], only bridge.Outcome, part int) error {
	w := csv.NewWriter(file)
	_ = w.Write([]string{"Contact Id", "Outcome", "Reason"}) // a buffer takes everything
	seen := 0
	for row, err := range contacts {
		if err != nil {
			return err
		}
		if only != "" && row.Outcome != only {
			continue
		}
		if seen++; seen <= (part-1)*partSize {
			continue
		}
		if seen > part*partSize {
			break
		}
		_ = w.Write([]string{cell(string(row.Contact)), cell(string(row.Outcome)), cell(row.Reason)})
	}
	w.Flush()
	return w.Error()
}

// cell keeps a spreadsheet from taking a text for a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n|", rune(text[0])) {
		return "'" + text
	}
	return text
}
