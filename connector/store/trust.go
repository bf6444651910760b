package store

import "context"

type trustKey struct{}

// WithTrust gives work under a lease the means to ask whether the lease can still
// be relied on, at once and without a call: a context's end is told by a timer,
// which a process that was stopped and goes on may see late.
func WithTrust(ctx context.Context, trusted func() bool) context.Context {
	return context.WithValue(ctx, trustKey{}, trusted)
}

// ShareTrust gives ctx the trust that from has. It serves contexts that outlive
// from, for work that is held when from ends.
func ShareTrust(ctx, from context.Context) context.Context {
	if trusted, ok := from.Value(trustKey{}).(func() bool); ok {
		return WithTrust(ctx, trusted)
	}
	return ctx
}

// Trusted returns ErrLeaseLost when the lease that ctx belongs to may have run
// out. It is asked right before a call that others would see. A context without
// lease is trusted.
func Trusted(ctx context.Context) error {
	if trusted, ok := ctx.Value(trustKey{}).(func() bool); ok && !trusted() {
		return ErrLeaseLost
	}
	return nil
}
