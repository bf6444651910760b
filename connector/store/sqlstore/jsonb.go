package sqlstore

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The kinds of values in SQLite's binary form of JSON (sqlite.org/jsonb.html). A value
// is a header and its content. The low half of the header's first byte is the kind, the
// high one the content's length, or how many bytes follow that say it.
const (
	jsonbNull  = 0
	jsonbInt   = 3  // in digits
	jsonbText  = 10 // as SQL has it: nothing is escaped
	jsonbArray = 11
)

// appendHeader appends the header of a value whose content has size bytes.
func appendHeader(b []byte, kind byte, size int) []byte {
	switch {
	case size < 12:
		return append(b, byte(size)<<4|kind)
	case size < 1<<8:
		return append(b, 12<<4|kind, byte(size))
	case size < 1<<16:
		return append(b, 13<<4|kind, byte(size>>8), byte(size))
	}
	return binary.BigEndian.AppendUint32(append(b, 14<<4|kind), uint32(size))
}

// openValue appends the header of a value whose content follows, up to closeValue.
func openValue(b []byte, kind byte) []byte { return append(b, 14<<4|kind, 0, 0, 0, 0) }

// closeValue ends a value whose content begins at from.
func closeValue(b []byte, from int) { binary.BigEndian.PutUint32(b[from-4:], uint32(len(b)-from)) }

func appendJSONBNull(b []byte) []byte { return append(b, jsonbNull) }

func appendJSONBInt(b []byte, n int64) []byte {
	var room [20]byte
	digits := strconv.AppendInt(room[:0], n, 10)
	return append(appendHeader(b, jsonbInt, len(digits)), digits...)
}

// appendJSONBText appends a text. What is no UTF-8 becomes U+FFFD.
func appendJSONBText(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return append(appendHeader(b, jsonbText, len(s)), s...)
}
