package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"flexbrevo/connector/store/storetest/pgtest"
)

// What is left for later is sent with what comes after it: its errors, too, must end the
// transaction, and nothing of it may stay.
func TestWhatIsLeftForLater(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t, &pgtest.Server{})
	s, err := Open(t.Context(), server.Database(t)+"&pool_max_conns=1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	plainly(t, s, `CREATE TABLE n (id BIGINT PRIMARY KEY)`)
	put := `INSERT INTO n SELECT id FROM {rows id:bigint} AS r`
	count := func(t *testing.T) (n int) {
		t.Helper()
		if err := s.read(t.Context(), "count", func(tx *tx) error {
			return tx.one(`SELECT COUNT(*) FROM n`, []any{&n})
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}

	t.Run("is there for the next statement", func(t *testing.T) {
		err := s.write(t.Context(), "put", func(tx *tx) error {
			if err := tx.later(put, rows{ints{1, 2}}); err != nil {
				return err
			}
			var found []int64
			err := tx.query(`SELECT id FROM n ORDER BY id`, func(r row) error {
				var id int64
				err := r.Scan(&id)
				found = append(found, id)
				return err
			})
			if len(found) != 2 {
				t.Errorf("found %v", found)
			}
			return err
		})
		if n := count(t); err != nil || n != 2 {
			t.Errorf("%d rows, %v", n, err)
		}
	})
	t.Run("is kept at the end", func(t *testing.T) {
		err := s.write(t.Context(), "put", func(tx *tx) error { return tx.later(put, rows{ints{3}}) })
		if n := count(t); err != nil || n != 3 {
			t.Errorf("%d rows, %v", n, err)
		}
	})
	t.Run("however much it is", func(t *testing.T) {
		err := s.write(t.Context(), "put", func(tx *tx) error {
			for id := range 3 * mostWaiting {
				if err := tx.later(put, rows{ints{int64(1000 + id)}}); err != nil {
					return err
				}
			}
			return nil
		})
		if n := count(t); err != nil || n != 3+3*mostWaiting {
			t.Errorf("%d rows, %v", n, err)
		}
		plainly(t, s, `DELETE FROM n WHERE id >= 1000`)
	})
	fail := func(tx *tx) error {
		if err := tx.later(put, rows{ints{4}}); err != nil {
			return err
		}
		return tx.later(put, rows{ints{4}})
	}
	t.Run("and fails at the end", func(t *testing.T) {
		err := s.write(t.Context(), "put", fail)
		if n := count(t); n != 3 || err == nil || !strings.Contains(err.Error(), "23505") {
			t.Errorf("%d rows, %v", n, err)
		}
	})
	t.Run("or with the next statement", func(t *testing.T) {
		asked := false
		err := s.write(t.Context(), "put", func(tx *tx) error {
			if err := fail(tx); err != nil {
				t.Error("failed too early")
			}
			return tx.query(`SELECT id FROM n`, func(row) error { asked = true; return nil })
		})
		if n := count(t); n != 3 || asked || !strings.Contains(fmt.Sprint(err), "23505") {
			t.Errorf("%d rows, asked %v, %v", n, asked, err)
		}
	})
	t.Run("even if nobody heeds it", func(t *testing.T) {
		err := s.write(t.Context(), "put", func(tx *tx) error {
			if err := tx.later(put, rows{ints{5}}); err != nil {
				return err
			}
			_, _ = tx.exec(put, rows{ints{5}})
			return nil
		})
		if n := count(t); n != 3 || !errors.Is(err, errRolledBack) {
			t.Errorf("%d rows, %v", n, err)
		}
	})
	t.Run("and is dropped with its transaction", func(t *testing.T) {
		whim := errors.New("changed my mind")
		err := s.write(t.Context(), "put", func(tx *tx) error {
			return errors.Join(tx.later(put, rows{ints{6}}), whim)
		})
		if n := count(t); n != 3 || !errors.Is(err, whim) {
			t.Errorf("%d rows, %v", n, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = s.write(ctx, "put", func(tx *tx) error { cancel(); return tx.later(put, rows{ints{6}}) })
		if n := count(t); n != 3 || !errors.Is(err, context.Canceled) {
			t.Errorf("%d rows, %v", n, err)
		}
	})
	t.Run("questions are answered together", func(t *testing.T) {
		var got []string
		err := s.read(t.Context(), "ask", func(tx *tx) error {
			answer := func(what string) func(row) error {
				return func(r row) error {
					var id int64
					err := r.Scan(&id)
					got = append(got, fmt.Sprint(what, id))
					return err
				}
			}
			one := `SELECT n.id FROM {rows id:bigint} AS r CROSS JOIN n WHERE n.id = r.id ORDER BY 1`
			return tx.together(tx.question(one, answer("a"), rows{ints{1, 2}}), tx.question(one, answer("b"), rows{ints{}}),
				tx.question(one, answer("c"), rows{ints{3}}))
		})
		if want := "[a1 a2 c3]"; err != nil || fmt.Sprint(got) != want {
			t.Errorf("got %v, %v, want %s", got, err, want)
		}
	})
	t.Run("a scan that fails leaves the connection usable", func(t *testing.T) {
		whim := errors.New("unreadable")
		err := s.write(t.Context(), "ask", func(tx *tx) error {
			if err := tx.later(put, rows{ints{7}}); err != nil {
				return err
			}
			return tx.query(`SELECT id FROM n`, func(row) error { return whim })
		})
		if n := count(t); n != 3 || !errors.Is(err, whim) {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}

func plainly(t *testing.T, s *Store, text string) {
	t.Helper()
	if err := s.write(t.Context(), "prepare", func(tx *tx) error { return do(tx.ctx, tx.session, text) }); err != nil {
		t.Fatal(err)
	}
}
