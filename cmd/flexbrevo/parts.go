package main

import "flexbrevo/connector/part"

// parts are what only some users need. Each is made in a file of its own, part_NAME.go,
// which the build tag no_NAME leaves out; part_NAME_off.go then refuses a
// configuration that asks for it.
func parts() []part.Maker {
	return []part.Maker{
		objectsPart(),
		kinesisPart(),
		bulkimportPart(),
		publishPart(),
		crmPart(),
	}
}
