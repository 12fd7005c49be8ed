package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// Route says which function answers a method and a path.
type Route struct {
	Method   string // or "ANY"
	Path     string // "/pets/{id}", "/{proxy+}", or "$default"
	Function string
}

// key is the route as events and people name it.
func (r Route) key() string {
	if r.Path == "$default" {
		return r.Path
	}
	return r.Method + " " + r.Path
}

// route is a Route taken apart.
type route struct {
	Route
	segments []segment
}

// segment is one part of a path between slashes.
type segment struct {
	text string // what it says, or the name of the variable
	kind kind
}

// kind orders segments: the more specific comes first.
type kind int

const (
	literal kind = iota
	variable
	greedy // takes the rest of the path, at least one character of it
)

// order takes routes apart and sorts them, the most specific first. Two routes must not be the same.
func order(routes []Route) ([]route, error) {
	var sorted []route
	for _, r := range routes {
		if slices.ContainsFunc(sorted, func(s route) bool { return s.key() == r.key() }) {
			return nil, fmt.Errorf("there are two routes %s", r.key())
		}
		taken := route{Route: r}
		if r.Path != "$default" {
			path, ok := strings.CutPrefix(r.Path, "/")
			if !ok {
				return nil, fmt.Errorf("route %s: the path has no slash at its beginning", r.key())
			}
			for _, text := range strings.Split(path, "/") {
				taken.segments = append(taken.segments, parse(text))
			}
			for i, s := range taken.segments {
				if s.kind == greedy && i != len(taken.segments)-1 {
					return nil, fmt.Errorf("route %s: {%s+} is not at the end", r.key(), s.text)
				}
			}
		}
		sorted = append(sorted, taken)
	}
	slices.SortStableFunc(sorted, func(a, b route) int {
		if c := slices.CompareFunc(a.segments, b.segments, func(a, b segment) int { return int(a.kind - b.kind) }); c != 0 && len(a.segments) > 0 && len(b.segments) > 0 {
			return c
		}
		if len(a.segments) != len(b.segments) { // $default has none, and comes last
			return len(b.segments) - len(a.segments)
		}
		switch {
		case a.Method == b.Method:
			return 0
		case a.Method == "ANY":
			return 1
		case b.Method == "ANY":
			return -1
		default:
			return 0
		}
	})
	return sorted, nil
}

func parse(text string) segment {
	name, ok := strings.CutPrefix(text, "{")
	if !ok || !strings.HasSuffix(name, "}") {
		return segment{text, literal}
	}
	name = strings.TrimSuffix(name, "}")
	if name, ok := strings.CutSuffix(name, "+"); ok {
		return segment{name, greedy}
	}
	return segment{name, variable}
}

// find returns the first route that fits, and what its variables stand for.
func find(routes []route, method, path string) (Route, map[string]string, bool) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for _, r := range routes {
		if r.Method != "ANY" && r.Method != method && r.Path != "$default" {
			continue
		}
		if variables, ok := r.fits(parts); ok {
			return r.Route, variables, true
		}
	}
	return Route{}, nil, false
}

func (r route) fits(parts []string) (map[string]string, bool) {
	variables := map[string]string{}
	for i, s := range r.segments {
		if i >= len(parts) {
			return nil, false
		}
		switch s.kind {
		case greedy:
			rest := strings.Join(parts[i:], "/")
			variables[s.text] = rest
			return variables, rest != ""
		case variable:
			if parts[i] == "" {
				return nil, false
			}
			variables[s.text] = parts[i]
		default:
			if parts[i] != s.text {
				return nil, false
			}
		}
	}
	return variables, r.Path == "$default" || len(parts) == len(r.segments)
}
