//go:build !no_kinesis

package main

import (
	"flexbrevo/connector/kinesis"
	"flexbrevo/connector/part"
)

func kinesisPart() part.Maker { return kinesis.New }
