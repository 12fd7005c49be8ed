package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// bill is what a program is made of, in CycloneDX's form. https://cyclonedx.org/docs/1.6/json/
type bill struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type     string         `json:"type"`
	Name     string         `json:"name"`
	Version  string         `json:"version,omitempty"`
	Package  string         `json:"purl,omitempty"` // https://github.com/package-url/purl-spec
	Licenses []licenseEntry `json:"licenses,omitempty"`
	Hashes   []hash         `json:"hashes,omitempty"`
}

type licenseEntry struct {
	License struct {
		ID string `json:"id"` // of SPDX
	} `json:"license"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

// newBill reads from a program what it was built from. licenses are those of its modules, by path.
func newBill(program string, licenses map[string]string) (bill, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return bill{}, err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return bill{}, err
	}
	sum := sha256.Sum256(content)
	b := bill{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{component{
		Type: "application", Name: info.Path, Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
	}}}
	modules := append([]*debug.Module{{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}}, info.Deps...)
	for _, m := range modules {
		c := component{Type: "library", Name: m.Path, Version: m.Version, Package: "pkg:golang/" + m.Path + "@" + m.Version}
		id := licenses[m.Path]
		if id == "" {
			return bill{}, fmt.Errorf("the license of %s is not known", m.Path)
		}
		entry := licenseEntry{}
		entry.License.ID = id
		c.Licenses = []licenseEntry{entry}
		b.Components = append(b.Components, c)
	}
	return b, nil
}

// write writes the bill to a file.
func (b bill) write(path string) error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// phrases are what only one license says, in an order in which the first that is found decides.
var phrases = []struct{ id, phrase string }{
	{"Apache-2.0", "Apache License"},
	{"MPL-2.0", "Mozilla Public License"},
	{"BSD-3-Clause", "Neither the name of"},
	{"BSD-2-Clause", "Redistribution and use in source and binary forms"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software"},
	{"MIT", "Permission is hereby granted, free of charge"},
}

// licensesOf returns the license of each module that the functions are made of, by its path.
func licensesOf(ctx context.Context, root string) (map[string]string, error) {
	command := exec.CommandContext(ctx, "go", "list", "-tags", "lambda.norpc", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Dir}}{{end}}", "./functions/...")
	command.Dir = root
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, &problems)
	}
	licenses := map[string]string{"std": "BSD-3-Clause"}
	for line := range strings.Lines(string(out)) {
		path, directory, _ := strings.Cut(strings.TrimSpace(line), " ")
		if path == "" || licenses[path] != "" {
			continue
		}
		if licenses[path], err = licenseIn(directory); err != nil {
			return nil, err
		}
	}
	return licenses, nil
}

// licenseIn returns the license of the module in a directory; empty if it has none that is known here.
func licenseIn(directory string) (string, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		name := strings.ToUpper(entry.Name())
		if entry.IsDir() || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING"}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(directory, entry.Name()))
		if err != nil {
			return "", err
		}
		words := strings.Join(strings.Fields(string(text)), " ")
		for _, p := range phrases {
			if strings.Contains(words, p.phrase) {
				return p.id, nil
			}
		}
	}
	return "", nil
}
