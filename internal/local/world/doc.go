// Package world wires the whole product to believable other sides in one process: the embedded AWS, the
// simulated org, the simulated ReferralHero, the sign-in issuer and the stack of functions. Programs and
// tests start it with their own options.
//
//	w, err := world.Start(ctx, world.Options{Root: "../..", ...})
//	defer w.Close()
//	http.Get(w.Stack.URL)
//	w.Org, w.Hero, w.AWS, w.Issuer // the simulators themselves: counters, faults, data
package world
