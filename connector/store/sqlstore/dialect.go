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
//	{or fail}                   OR FAIL, where a statement that fails need not undo what it
//	                            did, because the transaction ends with it: SQLite then keeps
//	                            no copies of the pages that the statement changes, unless
//	                            there is a function, a foreign key or a trigger in it
//
// A query joins tables to rows by CROSS JOIN and WHERE: SQLite keeps that order, and
// would else take an index on connector for better than it is.
//
// Scalars are $1, $2, … and come before the rows in a statement's arguments. On
// PostgreSQL rows travel as one array for each column; SQLite reads them where they are,
// see handover.
type dialect struct {
	name migrations.Dialect
	now  string
	lock string
	skip string
	// orFail follows INSERT.
	orFail string
	// byIndex makes the planner read in the order of an index rather than sort, for the
	// rest of a transaction; empty where it does so anyway.
	byIndex []string
	// keepPlans lets plans be kept for the rest of a transaction; empty where they are
	// anyway.
	keepPlans []string
	// soon lets what a transaction commits become durable a moment later, though never after
	// what is committed after it; empty where COMMIT waits for no disk, see flusher.
	soon []string
	// begin starts a transaction that writes, beginRead one that sees a snapshot.
	begin, beginRead string
	rendered         *sync.Map // of string to string
}

func sqliteDialect() dialect {
	return dialect{
		name: migrations.SQLite,
		now:  `CAST(unixepoch('subsec') * 1000 AS INTEGER)`, rendered: &sync.Map{},
		orFail: `OR FAIL`, begin: `BEGIN IMMEDIATE`, beginRead: `BEGIN`,
	}
}

func postgresDialect() dialect {
	return dialect{
		name: migrations.Postgres,
		now:  `CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)`,
		lock: `FOR UPDATE`, skip: `FOR UPDATE OF c SKIP LOCKED`, rendered: &sync.Map{},
		byIndex: []string{`SET LOCAL enable_sort = off`}, keepPlans: []string{`SET LOCAL plan_cache_mode = force_generic_plan`, `SET LOCAL enable_seqscan = off`},
		soon:  []string{`SET LOCAL synchronous_commit = off`},
		begin: `BEGIN`, beginRead: `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`,
	}
}

var (
	byHole     = regexp.MustCompile(`\{by ([^}]*)\}`)
	rowsHole   = regexp.MustCompile(`\{rows ([^}]*)\}`)
	scalarName = regexp.MustCompile(`\$(\d+)`)
)

// render fills the holes of a shared text, remembering the result.
func (d dialect) render(shared string) string {
	if text, ok := d.rendered.Load(shared); ok {
		return text.(string)
	}
	next := 1
	for _, m := range scalarName.FindAllStringSubmatch(shared, -1) {
		n, _ := strconv.Atoi(m[1]) // the pattern lets nothing else through
		next = max(next, n+1)
	}
	nth := 0
	text := rowsHole.ReplaceAllStringFunc(shared, func(hole string) string {
		columns := strings.Fields(rowsHole.FindStringSubmatch(hole)[1])
		table := d.rows(columns, nth, next)
		nth, next = nth+1, next+len(columns)
		return table
	})
	text = strings.NewReplacer("{now}", d.now, "{lock}", d.lock, "{skip}", d.skip, "{or fail}", d.orFail).Replace(text)
	indexed := ""
	if d.name == migrations.SQLite {
		indexed = "INDEXED BY $1"
	}
	text = byHole.ReplaceAllString(text, indexed)
	if d.name == migrations.SQLite {
		// SQLite numbers ?N; $N would be a name, numbered by first appearance.
		text = scalarName.ReplaceAllString(text, "?$1")
	}
	d.rendered.Store(shared, text)
	return text
}

// rows returns what a hole stands for: the nth table of a statement, whose columns are
// PostgreSQL's arguments from next on.
func (d dialect) rows(columns []string, nth, next int) string {
	names, parts := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		name, kind, _ := strings.Cut(c, ":")
		names[i] = name
		if d.name == migrations.Postgres {
			parts[i] = fmt.Sprintf("$%d::%s[]", next+i, kind)
		} else {
			parts[i] = fmt.Sprintf("c%d AS %s", i, name)
		}
	}
	list := strings.Join(parts, ", ")
	if d.name == migrations.Postgres {
		return fmt.Sprintf("(SELECT * FROM unnest(%s) AS u(%s))", list, strings.Join(names, ", "))
	}
	return fmt.Sprintf("(SELECT %s FROM handed(%d))", list, nth)
}
