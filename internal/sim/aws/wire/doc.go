// Package wire is what the simulated services of AWS have in common: strict JSON, errors in each protocol's form, the caller
// in a request's signature, and permissions as IAM names them.
package wire
