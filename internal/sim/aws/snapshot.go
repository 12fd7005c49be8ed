package aws

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keeper is a service with something to keep.
type keeper interface {
	Snapshot() ([]byte, error)
	Restore([]byte) error
}

func (s *Server) keepers() map[string]keeper {
	return map[string]keeper{"dynamodb": s.DynamoDB, "sqs": s.SQS, "secretsmanager": s.Secrets, "ses": s.SES}
}

// snapshot is the file.
type snapshot struct {
	Version  int                        `json:"version"`
	Services map[string]json.RawMessage `json:"services"`
}

// Save writes everything that is kept to a file, which is replaced in one step. What it writes is one moment: requests that
// change something wait for the short time that it takes to read the state. Only the owner may read the file: it has secrets in it.
func (s *Server) Save(path string) error {
	all, err := s.snapshot()
	if err != nil {
		return err
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return replace(path, b)
}

func (s *Server) snapshot() (snapshot, error) {
	s.still.Lock()
	defer s.still.Unlock()
	all := snapshot{Version: 1, Services: map[string]json.RawMessage{}}
	for name, each := range s.keepers() {
		b, err := each.Snapshot()
		if err != nil {
			return snapshot{}, fmt.Errorf("snapshot of %s: %w", name, err)
		}
		all.Services[name] = b
	}
	return all, nil
}

// replace writes a file so that whoever reads it, at whatever time and after whatever crash, finds the old or the new content.
func replace(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Load replaces everything that is kept by what Save wrote. If the file does not exist, nothing changes. After an error that
// names a service, those before it may have been replaced: start anew.
func (s *Server) Load(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var all snapshot
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if all.Version != 1 {
		return fmt.Errorf("%s: version %d, want 1", path, all.Version)
	}
	s.still.Lock()
	defer s.still.Unlock()
	for name, each := range s.keepers() {
		if err := each.Restore(all.Services[name]); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
