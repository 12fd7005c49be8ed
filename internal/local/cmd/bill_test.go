package main

import (
	"cmp"
	"os"
	"runtime/debug"
	"slices"
	"testing"
)

// TestLicenses holds what is shipped to licenses that let everybody ship it.
func TestLicenses(t *testing.T) {
	t.Parallel()
	licenses, err := licensesOf(t.Context(), "../../..")
	if err != nil {
		t.Fatal(err)
	}
	for path, license := range licenses {
		ours := path == "github.com/referralbridge/referralbridge"
		if !ours && !slices.Contains([]string{"MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Apache-2.0"}, license) {
			t.Errorf("the license of %s is %q", path, license)
		}
	}
	if len(licenses) < 10 {
		t.Errorf("licenses = %v, want those of all modules", licenses)
	}
}

func TestBill(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newBill(program, nil); err == nil {
		t.Error("a bill without licenses was written")
	}
	licenses, err := licensesOf(t.Context(), "../../..")
	if err != nil {
		t.Fatal(err)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("nobody knows what this test is built from")
	}
	for _, m := range info.Deps { // more than functions are built from
		licenses[m.Path] = cmp.Or(licenses[m.Path], "MIT")
	}
	b, err := newBill(program, licenses)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(b.Components, func(c component) bool { return c.Name == "github.com/google/uuid" })
	if i < 0 || b.Components[i].Package != "pkg:golang/github.com/google/uuid@"+b.Components[i].Version || b.Components[i].Licenses[0].License.ID != "BSD-3-Clause" {
		t.Errorf("components = %+v, want google/uuid among them", b.Components)
	}
	if b.Components[0].Name != "std" || len(b.Metadata.Component.Hashes[0].Content) != 64 {
		t.Errorf("bill = %+v, want Go itself first, and the program's hash", b)
	}
}
