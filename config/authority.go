package config

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
)

// checkAuthority reads tls.ca_file, so that a wrong one is found before anything starts and not at the first call.
func (l *loader) checkAuthority() {
	if l.root.TLS.CAFile == "" {
		return
	}
	at := l.place("Config.TLS.CAFile").at
	const expected = "expected the path of a readable file with certificates in PEM, beside this file"
	pem, err := os.ReadFile(l.root.TLS.CAFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.fail(at, "the file does not exist", expected)
	case err != nil:
		l.fail(at, "the file cannot be read", expected)
	case !x509.NewCertPool().AppendCertsFromPEM(pem):
		l.fail(at, "the file holds no certificate", expected)
	}
}
