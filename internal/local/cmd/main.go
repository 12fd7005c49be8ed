// Command cmd is what the Makefile calls to run the product on one machine.
//
//	go run ./internal/local/cmd run     everything, until Ctrl-C
//	go run ./internal/local/cmd demo    sign in, connect and import, without hands
//	go run ./internal/local/cmd prove   experiments that take minutes
//	go run ./internal/local/cmd sim     one of the simulated other sides by itself
//	go run ./internal/local/cmd smoke   our assumptions, on a real org and a real campaign
//	go run ./internal/local/cmd cost    what a month at AWS costs
//	go run ./internal/local/cmd build   the functions, packed for AWS
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// command is one thing that this program can do. It ends early when ctx does.
type command struct {
	name, does string
	run        func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

var commands = []command{
	{"run", "run everything on this machine, until Ctrl-C", run},
	{"demo", "sign in, connect and import without hands", demo},
	{"prove", "run experiments on the whole system", prove},
	{"sim", "serve one of the simulated other sides by itself", sim},
	{"smoke", "try what we assume of Salesforce and ReferralHero on a real org and campaign", smokeTest},
	{"cost", "print what a month at AWS costs", bills},
	{"build", "build the functions and pack them for AWS Lambda", build},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// dispatch runs the command that is named first, and returns the program's exit code.
func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var name string
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == name })
	if i < 0 {
		fmt.Fprintln(stderr, "usage: cmd COMMAND [flags], where COMMAND is")
		for _, c := range commands {
			fmt.Fprintf(stderr, "  %-6s %s\n", c.name, c.does)
		}
		return 2
	}
	switch err := commands[i].run(ctx, args, stdout, stderr); {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return 130
	default:
		fmt.Fprintf(stderr, "%s: %s\n", name, strings.TrimPrefix(err.Error(), name+": "))
		return 1
	}
}

// errUsage says that the flags were wrong, which was said already.
var errUsage = errors.New("wrong usage")

// parse reads a command's flags. Nothing may follow them.
func parse(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(fs.Output(), "%s: what is %q? Flags begin with a dash.\n", fs.Name(), fs.Arg(0))
		return errUsage
	}
	return nil
}

// flags returns a set of flags for a command, which prints to stderr.
func flags(name string, stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	return fs
}
