//go:build !no_objects

package main

import (
	"flexbrevo/connector/objects"
	"flexbrevo/connector/part"
)

// objectsPart tells figures to custom objects in Brevo.
func objectsPart() part.Maker { return objects.New }
