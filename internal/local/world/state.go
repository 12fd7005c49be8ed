package world

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/referralbridge/referralbridge/internal/sim/aws"
)

// state keeps the simulators' state in a directory, one file each. With an empty directory it keeps nothing.
type state struct {
	directory string
	files     []file
	stop      context.CancelFunc
	keeping   sync.WaitGroup
}

// file is one of the files, and how to write it.
type file struct {
	name string
	save func(path string) error
}

// keeper is a simulator whose state can be kept.
type keeper interface {
	Snapshot() ([]byte, error)
	Restore([]byte) error
}

// often is how much may be lost if this program is killed.
const often = 30 * time.Second

func (s *state) path(name string) string { return filepath.Join(s.directory, name) }

// restore gives a simulator the state that it had, if any, and has it kept from now on.
func (s *state) restore(name string, k keeper) error {
	if s.directory == "" {
		return nil
	}
	s.files = append(s.files, file{name, func(path string) error {
		b, err := k.Snapshot()
		if err != nil {
			return err
		}
		return replace(path, b)
	}})
	b, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = k.Restore(b)
	}
	if err != nil {
		return fmt.Errorf("%s: %w (make clean forgets it)", s.path(name), err)
	}
	return nil
}

// restoreAWS does the same for AWS, which writes its file itself.
func (s *state) restoreAWS(server *aws.Server) error {
	if s.directory == "" {
		return nil
	}
	s.files = append(s.files, file{"aws.json", func(path string) error {
		server.DynamoDB.ExpireNow() // AWS too removes what has expired when it comes round to it
		return server.Save(path)
	}})
	if err := server.Load(s.path("aws.json")); err != nil {
		return fmt.Errorf("%s: %w (make clean forgets it)", s.path("aws.json"), err)
	}
	return nil
}

// keep saves everything every so often until close.
func (s *state) keep() {
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.keeping.Go(func() {
		tick := time.NewTicker(often)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = s.save() // close will say what is wrong
			case <-ctx.Done():
				return
			}
		}
	})
}

// close saves everything for the last time. What never came to run is not saved.
func (s *state) close() error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	s.keeping.Wait()
	return s.save()
}

func (s *state) save() error {
	var errs []error
	for _, f := range s.files {
		if err := f.save(s.path(f.name)); err != nil {
			errs = append(errs, fmt.Errorf("keeping %s: %w", f.name, err))
		}
	}
	return errors.Join(errs...)
}

// replace writes a file in one step.
func replace(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// keys are the secrets of a stack. Those that are ours are random, once for each directory of state.
type keys struct {
	RefreshKey             []byte `json:"refreshKey"`       // 32 bytes
	DataKey                []byte `json:"dataKey"`          // 32 bytes
	OIDCClientSecret       string `json:"oidcClientSecret"` // with the simulated issuer; another one's is put in its place
	SalesforceClientSecret string `json:"-"`                // as the org has it
}

// keys reads the keys, or makes them.
func (s *state) keys() (*keys, error) {
	k := &keys{RefreshKey: make([]byte, 32), DataKey: make([]byte, 32), OIDCClientSecret: rand.Text()}
	_, _ = rand.Read(k.RefreshKey) // never fails
	_, _ = rand.Read(k.DataKey)
	if s.directory != "" {
		name := s.path("keys.json")
		b, err := os.ReadFile(name)
		switch {
		case err == nil:
			if err := json.Unmarshal(b, k); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		case errors.Is(err, fs.ErrNotExist):
			if b, err = json.Marshal(k); err != nil {
				return nil, err
			}
			if err := replace(name, b); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
	}
	return k, nil
}

// secrets returns the values of the template's secrets.
func (k *keys) secrets() (map[string]string, error) {
	broker, err := json.Marshal(map[string]any{
		"salesforceClientSecret": k.SalesforceClientSecret,
		"refreshKeys":            map[string]string{"1": base64.StdEncoding.EncodeToString(k.RefreshKey)},
	})
	if err != nil {
		return nil, err
	}
	app, err := json.Marshal(map[string]any{
		"dataKeys":         map[string]string{"1": base64.StdEncoding.EncodeToString(k.DataKey)},
		"oidcClientSecret": k.OIDCClientSecret,
	})
	if err != nil {
		return nil, err
	}
	return map[string]string{"BrokerSecret": string(broker), "AppSecret": string(app)}, nil
}
