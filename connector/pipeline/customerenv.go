package pipeline

import (
	"flexbrevo/connector/profile"
	"flexbrevo/mapping"
)

// EnvOf is what an expression sees of one of the customer's moments.
func (c *Customer) EnvOf(m *profile.Moment) *mapping.Env { return envOf(c.Env, m) }
