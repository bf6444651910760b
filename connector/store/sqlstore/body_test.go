package sqlstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// TestDictionariesAreNeverEdited: rows are stored by them. One that would be better gets a
// number and a form of its own.
func TestDictionariesAreNeverEdited(t *testing.T) {
	t.Parallel()
	const want = "5a6b18effaa997e91871eb56ffd383e85ade763397e8a292122bed25c1ac47ec"
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(dictionary1Text))); got != want {
		t.Errorf("dictionary1.txt has the checksum %s, want %s: stores that exist cannot be read with another; "+
			"leave it as it was and add dictionary2.txt with a form of its own", got, want)
	}
}

// event is a body as Twilio lists it.
const event = `{"account_sid":"AC00000000000000000000000000000001","actor_sid":"WK00000000000000000000000000000002","actor_type":"worker",` +
	`"description":"Task WT00000000000000000000000000000003 completed","event_data":{"task_sid":"WT00000000000000000000000000000003",` +
	`"task_attributes":"{\"from\":\"+33600000000\",\"direction\":\"inbound\"}"},"event_date":"2026-01-02T03:04:05Z","event_type":"task.completed"}`

// noise is a body that cannot be stored in less.
func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // never fails
	return b
}

// TestStoredFormsLast reads what earlier versions have stored.
func TestStoredFormsLast(t *testing.T) {
	t.Parallel()
	for form, stored := range map[string]string{
		"plain":          hex.EncodeToString([]byte(event)),
		"plain, escaped": "f8" + hex.EncodeToString([]byte(event)),
		"S2, dictionary 1": "f9880315000a00307601000031f522519e722f000830303215313e6907362107185461736b2057547a4e0000332a5d0931f7f13b322b067246000830" +
			"303371e13e41032693110833333611456e7405007d42a1024c323032362d30312d30325430333a30343a30355a15ad2d050eb00911000c6564227d",
	} {
		b, err := hex.DecodeString(stored)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := new(arena).unpack(b); err != nil || string(got) != event {
			t.Errorf("%s reads as %q, %v", form, got, err)
		}
	}
}

func TestBodiesShrink(t *testing.T) {
	t.Parallel()
	if stored := appendBody(nil, []byte(event)); len(stored) > len(event)/2 {
		t.Errorf("%d bytes are stored as %d: %x", len(event), len(stored), stored)
	}
	for what, body := range map[string]string{"short": `{"v":1}`, "too long": strings.Repeat("a", packedMost+1), "empty": ""} {
		if stored := appendBody(nil, []byte(body)); string(stored) != body {
			t.Errorf("a body that is %s is not stored plain", what)
		}
	}
}

// TestDamagedBodies cuts, flips and lengthens a stored body. What is wrong and not seen may
// read as another body, and never as one larger than any.
func TestDamagedBodies(t *testing.T) {
	t.Parallel()
	good := appendBody(nil, []byte(event))
	seen := 0
	read := func(stored []byte) {
		t.Helper()
		var room arena
		got, err := room.unpack(stored)
		if err != nil {
			seen++
		}
		if len(got) > packedMost || cap(room) > packedMost {
			t.Errorf("%x reads as %d bytes in room for %d", stored, len(got), cap(room))
		}
	}
	for i := range good {
		if i > 0 {
			read(good[:i])
		}
		for bit := range 8 {
			flipped := bytes.Clone(good)
			flipped[i] ^= 1 << bit
			read(flipped)
		}
	}
	if seen < len(good) {
		t.Errorf("only %d damages were seen", seen)
	}
	for what, stored := range map[string][]byte{
		"an unknown form":     {0xff, 1, 2},
		"a form without body": {s2Form1},
		"nothing":             {s2Form1, 0},
		"two gigabytes":       binary.AppendUvarint([]byte{s2Form1}, 2<<30),
		"an endless length":   append([]byte{s2Form1}, bytes.Repeat([]byte{0xff}, 20)...),
		"no end":              good[:len(good)-1],
		"more than its end":   append(bytes.Clone(good), 1, 2, 3),
	} {
		var room arena
		if got, err := room.unpack(stored); err == nil || len(room) != 0 || !strings.Contains(err.Error(), "in the store") {
			t.Errorf("%s reads as %q, %v, with %d bytes taken", what, got, err, len(room))
		}
	}
}

// TestDamageIsOneRecords: what cannot be read keeps nothing else from being read, and says why.
func TestDamageIsOneRecords(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"), Options{Pipeline: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var p record.Page
	for i := range 4 {
		p.Records = append(p.Records, record.Record{Key: fmt.Sprint("EV", i), Body: []byte(event)})
	}
	if _, err := s.Capture(t.Context(), []store.Batch{{Connector: "c", At: time.Now(), Pages: []record.Page{p}}}); err != nil {
		t.Fatal(err)
	}
	err = s.write(t.Context(), "damage", func(t *tx) error {
		// One as it was before bodies were compressed, one cut, one of a later version.
		_, err := t.exec(`UPDATE records SET body = CASE key WHEN 'EV0' THEN $1 WHEN 'EV1' THEN substr(body, 1, 50) ELSE $2 END WHERE key < 'EV3'`,
			[]byte(event), []byte{0xfe, 1})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := s.LoadUndigested(t.Context(), "c", 10)
	if err != nil || len(waiting) != 4 {
		t.Fatalf("%d records, %v", len(waiting), err)
	}
	for i, want := range []string{"", "damaged", "unknown form 0xfe", ""} {
		r := waiting[i]
		if !strings.Contains(r.Damage, want) || (want == "") != (r.Damage == "" && string(r.Body) == event) || len(r.Body) == 0 {
			t.Errorf("%s has %d bytes and says %q, want %q", r.Key, len(r.Body), r.Damage, want)
		}
	}
}

func FuzzBodyComesBack(f *testing.F) {
	f.Add([]byte(event), uint8(0))
	f.Add([]byte{0xf8}, uint8(1))
	f.Add(bytes.Repeat([]byte{0xf9}, 100), uint8(200))
	f.Fuzz(func(t *testing.T, body []byte, times uint8) {
		body = bytes.Repeat(body, 1+int(times))
		stored := appendBody([]byte("before"), body)[len("before"):]
		if len(stored) > len(body)+1 || (len(stored) == 0) != (len(body) == 0) {
			t.Fatalf("%d bytes are stored as %d", len(body), len(stored))
		}
		if got, err := new(arena).unpack(stored); err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%q came back as %q, %v", body, got, err)
		}
	})
}

func FuzzAnyStoredBody(f *testing.F) {
	f.Add(appendBody(nil, []byte(event)))
	f.Add([]byte{s2Form1, 0x80, 0x80, 0x40})
	f.Fuzz(func(t *testing.T, stored []byte) {
		var room arena
		if got, err := room.unpack(stored); err != nil && (got != nil || len(room) != 0) || cap(room) > max(packedMost, len(stored), arenaBytes) {
			t.Fatalf("%x reads as %d bytes, %v, in room for %d", stored, len(got), err, cap(room))
		}
	})
}
