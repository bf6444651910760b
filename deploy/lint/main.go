// Command lint reads what is built and run elsewhere by the code of the tools that do it there: compose files by
// Docker Compose's loader, Dockerfiles by BuildKit's own checks. It needs no daemon and asks nobody.
//
//	go run . compose FILE      prints the services as compose would run them
//	go run . dockerfile FILE   prints what BuildKit warns of
//
// It is a module of its own, so that what it needs is no part of the product.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/opencontainers/go-digest"
)

func main() {
	tools := map[string]func(context.Context, string) error{"compose": compose, "dockerfile": dockerfile}
	if len(os.Args) != 3 || tools[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "lint compose|dockerfile FILE")
		os.Exit(2)
	}
	if err := tools[os.Args[1]](context.Background(), os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[2], err)
		os.Exit(1)
	}
}

// compose loads a file with the variables of the environment, checks it, and prints it as `docker compose config` does.
func compose(ctx context.Context, file string) error {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithOsEnv)
	if err != nil {
		return err
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return err
	}
	text, err := project.MarshalYAML()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

// dockerfile runs the checks of `docker build --check`.
func dockerfile(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	source := llb.NewSourceMap(nil, file, "Dockerfile", text)
	source.Definition = &llb.Definition{} // it is read although there is none
	results, err := dockerfile2llb.DockerfileLint(ctx, text, dockerfile2llb.ConvertOpt{MetaResolver: nobody{}, SourceMap: source})
	if err != nil {
		return err
	}
	for _, w := range results.Warnings {
		line := int32(0)
		if len(w.Location.Ranges) > 0 {
			line = w.Location.Ranges[0].Start.Line
		}
		fmt.Printf("%s:%d: %s: %s\n", file, line, w.RuleName, w.Detail)
	}
	if results.Error != nil {
		return errors.New(results.Error.Message)
	}
	if len(results.Warnings) > 0 {
		return fmt.Errorf("%d warnings", len(results.Warnings))
	}
	return nil
}

// nobody stands in for a registry: base images say nothing about themselves.
type nobody struct{}

func (nobody) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config, err := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "config": map[string]any{}})
	return ref, digest.FromBytes(config), config, err
}
