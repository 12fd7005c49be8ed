package main

import (
	"archive/zip"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/referralbridge/referralbridge/internal/local"
)

// build builds every function for Lambda and packs each by itself, with a bill of what it is made of beside it. The same source gives the
// same bytes on every machine.
func build(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("build", stderr)
	root := fs.String("root", ".", "the repository")
	directory := fs.String("to", ".build", "`directory` for the packages")
	architecture := fs.String("architecture", "arm64", "`architecture` of the functions: arm64 or amd64")
	if err := parse(fs, args); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(*root, "functions"))
	if err != nil {
		return err
	}
	var folders []string
	for _, entry := range entries {
		if entry.IsDir() {
			folders = append(folders, entry.Name())
		}
	}
	binaries := filepath.Join(*directory, "linux-"+*architecture)
	if err := local.Build(ctx, *root, binaries, local.Target{OS: "linux", Architecture: *architecture}, folders...); err != nil {
		return err
	}
	licenses, err := licensesOf(ctx, *root)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		b, err := newBill(filepath.Join(binaries, folder), licenses)
		if err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
		if err := b.write(filepath.Join(*directory, folder+".cdx.json")); err != nil {
			return err
		}
		path := filepath.Join(*directory, folder+".zip")
		size, err := pack(path, filepath.Join(binaries, folder))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		fmt.Fprintf(stdout, "%-40s %5.2f MB\n", path, float64(size)/1e6)
	}
	return nil
}

// epoch is the time that every packed file has: the first that a zip can say.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// pack writes a zip with one program, which Lambda expects under the name bootstrap, and returns its size.
func pack(path, program string) (size int64, err error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return 0, err
	}
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closing := file.Close(); err == nil {
			err = closing
		}
	}()
	z := zip.NewWriter(file)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: epoch}
	header.SetMode(0o755)
	entry, err := z.CreateHeader(header)
	if err != nil {
		return 0, err
	}
	if _, err := entry.Write(content); err != nil {
		return 0, err
	}
	if err := z.Close(); err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
