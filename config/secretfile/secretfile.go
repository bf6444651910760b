// Package secretfile keeps credentials encrypted at rest: one file with a JSON
// object of names and values, encrypted with age to a key that is kept elsewhere.
// It is an ordinary age file, so that `age --decrypt` opens it too.
package secretfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// The variables of the environment that hold the key, or name the file that does.
const (
	KeyVariable     = "FLEXBREVO_SECRETS_KEY"
	KeyFileVariable = "FLEXBREVO_SECRETS_KEY_FILE"
)

// The places a key may come from, as secrets.key_from names them.
const (
	FromEnv     = "env"
	FromFile    = "file"
	FromKeyring = "keyring"
)

// maxBytes bounds what is read: a few hundred credentials stay far below it.
const maxBytes = 1 << 20

var (
	// ErrNoKey says that the key is not where it should be.
	ErrNoKey = errors.New("the key of the encrypted secrets is missing")
	// ErrWrongKey says that the key does not open the file.
	ErrWrongKey = errors.New("the key does not open the encrypted secrets")
	// ErrKeyring is the answer to key_from: keyring.
	ErrKeyring = errors.New("this build cannot read a keyring; expected key_from: env or file " +
		"(a keyring's own tool can fill " + KeyVariable + ")")
)

// namePattern is the form of a name: that of a variable of the environment.
var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Box is one encrypted file and the place of its key.
type Box struct {
	// Path is the encrypted file.
	Path string
	// KeyFrom is FromEnv (the default) or FromFile.
	KeyFrom string
	// Env looks a variable up; nil means os.LookupEnv.
	Env func(name string) (string, bool)
}

func (b Box) env(name string) string {
	lookup := b.Env
	if lookup == nil {
		lookup = os.LookupEnv
	}
	value, _ := lookup(name)
	return value
}

// KeyPath is the file that holds the key where KeyFrom is FromFile: what the
// environment names, else the encrypted file's own name with .key at its end.
func (b Box) KeyPath() string {
	if path := b.env(KeyFileVariable); path != "" {
		return path
	}
	return b.Path + ".key"
}

// Lookup opens the file and returns its look-up. The error names no value.
func (b Box) Lookup() (func(name string) (string, bool), error) {
	values, err := b.Load()
	if err != nil {
		return nil, err
	}
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}, nil
}

// Load opens the file. It returns ErrNoKey or ErrWrongKey, or an error of
// fs.ErrNotExist where there is no file yet.
func (b Box) Load() (map[string]string, error) {
	identities, err := b.identities()
	if err != nil {
		return nil, err
	}
	return b.open(identities)
}

func (b Box) open(identities []age.Identity) (map[string]string, error) {
	sealed, err := readLimited(b.Path)
	if err != nil {
		return nil, fmt.Errorf("read encrypted secrets: %w", err)
	}
	plain, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), identities...)
	if none := (*age.NoIdentityMatchError)(nil); errors.As(err, &none) {
		return nil, ErrWrongKey
	}
	if err != nil {
		return nil, fmt.Errorf("open encrypted secrets: %w", err)
	}
	values := map[string]string{}
	if err := json.NewDecoder(io.LimitReader(plain, maxBytes)).Decode(&values); err != nil {
		return nil, errors.New("open encrypted secrets: it holds no JSON object of texts") // the decoder's text may quote it
	}
	return values, nil
}

// Names lists what the file holds, in order.
func (b Box) Names() ([]string, error) {
	values, err := b.Load()
	return slices.Sorted(maps.Keys(values)), err
}

// Set puts values into the file, which is made where there is none; an empty
// value takes the name out. The file is replaced whole or not at all.
func (b Box) Set(values map[string]string) error {
	for name := range values {
		if !namePattern.MatchString(name) {
			return errors.New("a secret's name has letters, digits and _, as a variable of the environment has")
		}
	}
	identities, err := b.identities()
	if err != nil {
		return err
	}
	all, err := b.open(identities)
	if errors.Is(err, fs.ErrNotExist) {
		all, err = map[string]string{}, nil
	}
	if err != nil {
		return err
	}
	for name, value := range values {
		if all[name] = value; value == "" {
			delete(all, name)
		}
	}
	return b.seal(all, identities)
}

// seal writes the file for the first of the identities, which is the current key.
func (b Box) seal(values map[string]string, identities []age.Identity) error {
	own, ok := identities[0].(*age.X25519Identity)
	if !ok {
		return errors.New("the key is of another kind than AGE-SECRET-KEY-1…")
	}
	var sealed bytes.Buffer
	armored := armor.NewWriter(&sealed)
	w, err := age.Encrypt(armored, own.Recipient())
	if err != nil {
		return fmt.Errorf("encrypt secrets: %w", err)
	}
	if err := json.NewEncoder(w).Encode(values); err != nil {
		return fmt.Errorf("encrypt secrets: %w", err)
	}
	if err := errors.Join(w.Close(), armored.Close()); err != nil {
		return fmt.Errorf("encrypt secrets: %w", err)
	}
	return replace(b.Path, sealed.Bytes())
}

// identities reads the key. Several may stand there, one a line; the first is the
// current one.
func (b Box) identities() ([]age.Identity, error) {
	text := ""
	switch b.KeyFrom {
	case FromKeyring:
		return nil, ErrKeyring
	case FromFile:
		content, err := readLimited(b.KeyPath())
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: there is no file %s; make one with `flexbrevo secrets key`", ErrNoKey, filepath.Base(b.KeyPath()))
		}
		if err != nil {
			return nil, fmt.Errorf("read the key of the encrypted secrets: %w", err)
		}
		text = string(content)
	default:
		if text = b.env(KeyVariable); text == "" {
			return nil, fmt.Errorf("%w: the environment has no %s; make a key with `flexbrevo secrets key`", ErrNoKey, KeyVariable)
		}
		text = strings.Join(strings.Fields(text), "\n") // an environment cannot always hold several lines
	}
	identities, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil || len(identities) == 0 {
		return nil, fmt.Errorf("%w: expected AGE-SECRET-KEY-1…", ErrNoKey) // the parser's text may quote it
	}
	return identities, nil
}

// HasKey says whether a key is where it should be.
func (b Box) HasKey() bool {
	_, err := b.identities()
	return err == nil
}

// NewKey makes a key and returns its text. Where KeyFrom is FromFile it is stored,
// never over another.
func (b Box) NewKey() (string, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	switch b.KeyFrom {
	case FromKeyring:
		return "", ErrKeyring
	case FromFile:
		return identity.String(), create(b.KeyPath(), []byte(identity.String()+"\n"))
	}
	return identity.String(), nil
}

// Rotate encrypts the file to a new key, which it returns. Where KeyFrom is
// FromFile the key file changes with it, in an order that leaves the file open to
// the keys at hand at every instant. Where it is FromEnv the caller must hand the
// key on; the file as it was stays beside, under .old.
func (b Box) Rotate() (string, error) {
	identities, err := b.identities()
	if err != nil {
		return "", err
	}
	values, err := b.open(identities)
	if err != nil {
		return "", err
	}
	fresh, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	if b.KeyFrom == FromFile {
		return fresh.String(), b.rotateFile(values, fresh)
	}
	old, err := readLimited(b.Path)
	if err != nil {
		return "", fmt.Errorf("read encrypted secrets: %w", err)
	}
	if err := replace(b.Path+".old", old); err != nil {
		return "", err
	}
	return fresh.String(), b.seal(values, []age.Identity{fresh})
}

func (b Box) rotateFile(values map[string]string, fresh *age.X25519Identity) error {
	old, err := readLimited(b.KeyPath())
	if err != nil {
		return fmt.Errorf("read the key of the encrypted secrets: %w", err)
	}
	key := []byte(fresh.String() + "\n")
	if err := replace(b.KeyPath(), append(bytes.Clone(key), old...)); err != nil {
		return err
	}
	if err := b.seal(values, []age.Identity{fresh}); err != nil {
		return err
	}
	return replace(b.KeyPath(), key)
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(content) > maxBytes {
		err = fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return content, err
}

// create writes a file that nobody else may read, and that must not exist yet.
func create(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// replace writes a file whole: whoever reads sees the old one or the new one, also
// after a power cut.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // nothing that was there has changed
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync() // not every file system can
		_ = dir.Close()
	}
	return nil
}
