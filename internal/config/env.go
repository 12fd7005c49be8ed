// Package config reads the environment once, and says everything that is wrong with it at once.
package config

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Env reads variables and remembers what was missing or malformed. The zero value reads the process's
// own environment.
type Env struct {
	Lookup func(string) (string, bool) // os.LookupEnv unless set
	wrong  []error
}

func (e *Env) lookup(name string) string {
	if e.Lookup == nil {
		e.Lookup = os.LookupEnv
	}
	value, _ := e.Lookup(name)
	return value
}

// Need returns a variable that must not be empty.
func (e *Env) Need(name string) string {
	value := e.lookup(name)
	if value == "" {
		e.wrong = append(e.wrong, fmt.Errorf("%s is not set", name))
	}
	return value
}

// Optional returns a variable that may be empty.
func (e *Env) Optional(name string) string { return e.lookup(name) }

// NeedInt returns a variable that must be a whole number above zero.
func (e *Env) NeedInt(name string) int {
	value := e.Need(name)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n <= 0 {
		e.wrong = append(e.wrong, fmt.Errorf("%s is not a whole number above zero", name))
	}
	return n
}

// NeedSeconds returns a variable that must be a whole number of seconds, and may be 0.
func (e *Env) NeedSeconds(name string) time.Duration {
	value := e.Need(name)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		e.wrong = append(e.wrong, fmt.Errorf("%s is not a whole number of seconds", name))
	}
	return time.Duration(n) * time.Second
}

// Simulator returns the origin of a simulated Salesforce org, if there is one. It is refused in
// production: there, only Salesforce is Salesforce.
func (e *Env) Simulator() string {
	origin := e.Optional("SALESFORCE_SIMULATOR")
	if origin != "" && e.Need("STAGE") == "prod" {
		e.wrong = append(e.wrong, errors.New("SALESFORCE_SIMULATOR must be empty in prod"))
	}
	return origin
}

// Err names all that was wrong so far, without any value, or is nil.
func (e *Env) Err() error { return errors.Join(e.wrong...) }
