package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

//go:embed static
var staticFiles embed.FS

// asset is a file as browsers get it.
type asset struct {
	kind        string
	plain, gzip []byte
}

// assets holds every file by name, and the version that stands in their addresses: a hash over all of them.
var assets = sync.OnceValue(func() (a struct {
	version string
	files   map[string]asset
}) {
	sum := sha256.New()
	a.files = map[string]asset{}
	root, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // not without a fault in the build
	}
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		plain, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(plain)
		_ = z.Close()
		sum.Write([]byte(name))
		sum.Write(plain)
		a.files[name] = asset{kind: mime.TypeByExtension(path.Ext(name)), plain: plain, gzip: packed.Bytes()}
		return nil
	})
	if err != nil {
		panic(err)
	}
	a.version = hex.EncodeToString(sum.Sum(nil))[:16]
	return a
})

// static answers with a file. Under its own version it may be kept for good. Another version is asked for by a
// page that was made before or after us, in the middle of a deployment: it gets what we have, and asks again.
func (v *visit) static() error {
	all := assets()
	file, ok := all.files[v.r.PathValue("file")]
	if !ok {
		return &bridge.Error{Op: "console.static", Kind: bridge.NotFound}
	}
	h := v.w.Header()
	etag := `"` + all.version + `"`
	h.Set("ETag", etag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", file.kind)
	if v.r.PathValue("version") == all.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	if v.r.Header.Get("If-None-Match") == etag {
		v.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body := file.plain
	if strings.Contains(v.r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = file.gzip
	}
	_, _ = v.w.Write(body) // a browser that hung up needs no answer
	return nil
}
