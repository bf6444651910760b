//go:build no_objects

package main

import (
	"errors"

	"flexbrevo/connector/part"
)

// objectsPart refuses a configuration that asks for what was left out.
func objectsPart() part.Maker {
	return func(site part.Site) (part.Part, error) {
		if site.Config.CustomObjects.IsSet() {
			return nil, errors.New("custom_objects: this flexbrevo was built without objects; leave the block out or use a build that has it")
		}
		return nil, nil
	}
}
