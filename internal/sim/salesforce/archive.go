package salesforce

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// What a package of metadata may have. Salesforce takes at most 10,000 files and 39 MB, packed or not.
const (
	largestPackage   = 39 << 20
	mostPackageFiles = 10_000
	largestMetadata  = 4 << 20 // one file, here
)

// openPackage unpacks a zip: its files by path, without the folder that the package may stand in.
func openPackage(data []byte) (map[string][]byte, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, faulty("Error unzipping file: %s", err)
	}
	if len(archive.File) > mostPackageFiles {
		return nil, faulty("Maximum number of files exceeded: %d", mostPackageFiles)
	}
	files := map[string][]byte{}
	total := 0
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		name := strings.ReplaceAll(f.Name, `\`, "/")
		switch {
		case !fs.ValidPath(name):
			return nil, faulty("Invalid file name in zip: %q", f.Name)
		case !f.Mode().IsRegular():
			return nil, faulty("Not a regular file in zip: %q", f.Name)
		case files[name] != nil:
			return nil, faulty("Duplicate file in zip: %q", f.Name)
		}
		content, err := unpack(f, min(largestMetadata, largestPackage-total))
		if err != nil {
			return nil, err
		}
		total += len(content)
		files[name] = content
	}
	return unfolded(files), nil
}

// unpack reads a file, whatever its header says about its size.
func unpack(f *zip.File, most int) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, faulty("Error unzipping file: %q: %s", f.Name, err)
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	switch {
	case err != nil:
		return nil, faulty("Error unzipping file: %q: %s", f.Name, err)
	case len(content) > most:
		return nil, faulty("Maximum size of request reached: %q", f.Name)
	case content == nil:
		content = []byte{}
	}
	return content, nil
}

// unfolded takes away the one folder that all files stand in, if package.xml is not at the root.
func unfolded(files map[string][]byte) map[string][]byte {
	if files["package.xml"] != nil {
		return files
	}
	folder := ""
	for name := range files {
		first, rest, found := strings.Cut(name, "/")
		if found && rest == "package.xml" {
			folder = first + "/"
		}
	}
	inside := map[string][]byte{}
	for name, content := range files {
		short, found := strings.CutPrefix(name, folder)
		if !found || folder == "" {
			return files
		}
		inside[short] = content
	}
	return inside
}

// faulty is a problem of a whole file.
func faulty(format string, args ...any) error { return &problem{text: fmt.Sprintf(format, args...)} }

// manifest is package.xml, or one of those that name what is to be deleted.
type manifest []manifestType

// manifestType is the full names of components of a type.
type manifestType struct {
	Name    string   `json:"name"`
	Members []string `json:"members"`
}

var manifestShape = &shape{name: "Package", parts: []part{
	may("apiAccessLevel", stringShape), may("description", stringShape), may("fullName", stringShape),
	anyOfIt("types", &shape{name: "PackageTypeMembers", parts: []part{anyOfIt("members", stringShape), must("name", stringShape)}}),
	may("version", numberShape),
}}

func readManifest(file []byte) (manifest, error) {
	var m struct {
		Types   manifest `json:"types"`
		Version *float64 `json:"version"`
	}
	if _, err := manifestShape.decode(file, &m); err != nil {
		return nil, err
	}
	if v := m.Version; v != nil && (*v < oldestVersion || *v > newestVersion) {
		return nil, faulty("Invalid API version: %.1f", *v)
	}
	return m.Types, nil
}

// names reports whether a manifest names a component, or all of its type.
func (m manifest) names(kind, fullName string) bool {
	return slices.ContainsFunc(m, func(t manifestType) bool {
		return t.Name == kind && (slices.Contains(t.Members, fullName) || slices.Contains(t.Members, "*"))
	})
}
