// Package mcp serves tools to assistants by the Model Context Protocol. It is the one
// home of the protocol's SDK, and knows nothing of what the tools do.
package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Server offers tools to one client.
type Server struct{ server *sdk.Server }

// New makes a server without tools; instructions tell a client what it is for.
func New(version, instructions string) *Server {
	return &Server{sdk.NewServer(
		&sdk.Implementation{Name: "flexbrevo", Title: "flexbrevo", Version: version},
		&sdk.ServerOptions{Instructions: instructions},
	)}
}

// Tool is what a client is told of a tool.
type Tool struct {
	Name, Title, Description string
	// Changes says that it changes something, Destroys that what it does cannot be
	// taken back.
	Changes, Destroys bool
	// Remote says that it asks somebody beyond this machine's own store.
	Remote bool
	// Choices are the values that an argument may have, by argument.
	Choices map[string][]string
}

// Add offers a tool. In and Out are structs whose json tags name the arguments and
// the results, described by jsonschema tags; arguments that do not fit are refused
// before do is called. An error of do is the tool's answer, and ends nothing. It panics
// for types that no schema can be made of.
func Add[In, Out any](s *Server, t Tool, do func(ctx context.Context, in In) (Out, error)) {
	destroys, remote := t.Destroys, t.Remote
	sdk.AddTool(s.server, &sdk.Tool{
		Name: t.Name, Title: t.Title, Description: t.Description, InputSchema: t.input(schemaOf[In]()),
		Annotations: &sdk.ToolAnnotations{Title: t.Title, ReadOnlyHint: !t.Changes, DestructiveHint: &destroys, OpenWorldHint: &remote},
	}, func(ctx context.Context, _ *sdk.CallToolRequest, in In) (*sdk.CallToolResult, Out, error) {
		out, err := do(ctx, in)
		return nil, out, err
	})
}

func schemaOf[T any]() *jsonschema.Schema {
	s, err := jsonschema.For[T](nil)
	if err != nil {
		panic(fmt.Sprintf("mcp: schema of %T: %v", *new(T), err)) // our own plain structs
	}
	return s
}

// input adds the choices to a schema.
func (t Tool) input(s *jsonschema.Schema) *jsonschema.Schema {
	for argument, values := range t.Choices {
		for _, v := range values {
			s.Properties[argument].Enum = append(s.Properties[argument].Enum, v)
		}
	}
	return s
}

// Serve answers the client that writes to in and reads from out, until in ends or ctx
// does, which both are no error.
func (s *Server) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	err := s.server.Run(ctx, &sdk.IOTransport{Reader: io.NopCloser(in), Writer: kept{out}})
	if ctx.Err() != nil || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// kept is a writer that others close.
type kept struct{ io.Writer }

// Close implements io.Closer.
func (kept) Close() error { return nil }
