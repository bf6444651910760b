package sqlstore

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"flexbrevo/migrations"
)

// dialect fills the holes in the shared SQL text (facts/stack.md 4):
//
//	{rows id:bigint name:text}  a table of the rows handed over with the statement
//	{by index_name}             INDEXED BY, where the planner does not measure tables
//	{now}                       the database's clock, in Unix milliseconds
//	{lock}                      FOR UPDATE, where rows are locked
//	{skip}                      FOR UPDATE OF c SKIP LOCKED, likewise
//
// A query joins tables to rows by CROSS JOIN and WHERE: SQLite keeps that order, and
// would else take an index on connector for better than it is.
//
// Scalars are $1, $2, … and come before the rows in a statement's arguments. On
// PostgreSQL rows travel as one array for each column; on SQLite as one JSON
// text, or, where a column is bytea and so may hold anything, one by one.
type dialect struct {
	name migrations.Dialect
	now  string
	lock string
	skip string
	// byIndex makes the planner read in the order of an index rather than sort, for the
	// rest of a transaction; empty where it does so anyway.
	byIndex string
	// begin starts a transaction that writes, beginRead one that sees a snapshot.
	begin, beginRead string
	rendered         *sync.Map // of string to rendered
}

// rendered is a statement in the words of one database.
type rendered struct {
	text string
	// oneByOne says that the statement is executed once for each row.
	oneByOne bool
}

func sqliteDialect() dialect {
	return dialect{
		name: migrations.SQLite,
		now:  `CAST(unixepoch('subsec') * 1000 AS INTEGER)`, rendered: &sync.Map{},
		begin: `BEGIN IMMEDIATE`, beginRead: `BEGIN`,
	}
}

func postgresDialect() dialect {
	return dialect{
		name: migrations.Postgres,
		now:  `CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)`,
		lock: `FOR UPDATE`, skip: `FOR UPDATE OF c SKIP LOCKED`, rendered: &sync.Map{},
		byIndex: `SET LOCAL enable_sort = off`,
		begin:   `BEGIN`, beginRead: `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`,
	}
}

var (
	byHole     = regexp.MustCompile(`\{by ([^}]*)\}`)
	rowsHole   = regexp.MustCompile(`\{rows ([^}]*)\}`)
	scalarName = regexp.MustCompile(`\$(\d+)`)
)

// render fills the holes of a shared text, remembering the result.
func (d dialect) render(shared string) rendered {
	if r, ok := d.rendered.Load(shared); ok {
		return r.(rendered)
	}
	next := 1
	for _, m := range scalarName.FindAllStringSubmatch(shared, -1) {
		n, _ := strconv.Atoi(m[1]) // the pattern lets nothing else through
		next = max(next, n+1)
	}
	var r rendered
	r.text = rowsHole.ReplaceAllStringFunc(shared, func(hole string) string {
		columns := strings.Fields(rowsHole.FindStringSubmatch(hole)[1])
		table, taken, oneByOne := d.rows(columns, next)
		next += taken
		r.oneByOne = r.oneByOne || oneByOne
		return table
	})
	r.text = strings.NewReplacer("{now}", d.now, "{lock}", d.lock, "{skip}", d.skip).Replace(r.text)
	indexed := ""
	if d.name == migrations.SQLite {
		indexed = "INDEXED BY $1"
	}
	r.text = byHole.ReplaceAllString(r.text, indexed)
	if d.name == migrations.SQLite {
		// SQLite numbers ?N; $N would be a name, numbered by first appearance.
		r.text = scalarName.ReplaceAllString(r.text, "?$1")
	}
	d.rendered.Store(shared, r)
	return r
}

// rows returns the table that a hole stands for, and how many arguments it takes.
func (d dialect) rows(columns []string, next int) (table string, taken int, oneByOne bool) {
	names, types := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		names[i], types[i], _ = strings.Cut(c, ":")
		oneByOne = oneByOne || types[i] == "bytea"
	}
	parts := make([]string, len(columns))
	switch {
	case d.name == migrations.Postgres:
		for i := range columns {
			parts[i] = fmt.Sprintf("$%d::%s[]", next+i, types[i])
		}
		return fmt.Sprintf("(SELECT * FROM unnest(%s) AS u(%s))", strings.Join(parts, ", "), strings.Join(names, ", ")), len(columns), false
	case oneByOne:
		for i := range columns {
			parts[i] = fmt.Sprintf("$%d AS %s", next+i, names[i])
		}
		return fmt.Sprintf("(SELECT %s)", strings.Join(parts, ", ")), len(columns), true
	default:
		for i := range columns {
			parts[i] = fmt.Sprintf("value->>%d AS %s", i, names[i])
		}
		return fmt.Sprintf("(SELECT %s FROM json_each($%d))", strings.Join(parts, ", "), next), 1, false
	}
}
