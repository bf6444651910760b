package sqlstore

import (
	"sync"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// pooledPages is how many pages all connections to a file cache together, and some to spare:
// SQLite counts the caches of a process as one, and begins to use pages again before the pool
// is empty.
const pooledPages = (writerCache+sqliteReaders*readerCache+checkpointCache)*1024/pageSize + 20

// poolPages has SQLite keep its cached pages side by side in one piece of memory. A page comes
// with a header and so is a little larger than a power of two, and what is asked for one by one
// lies in slots of powers of two: twice the memory, and more as time goes by. Where the
// pool is nearly empty SQLite uses pages of its caches again rather than ask for more, which is
// so with files of smaller pages. It takes a pool only before the first file is opened; it costs
// memory, and so does not come before somebody opens one.
var poolPages = sync.OnceFunc(func() {
	tls := libc.NewTLS()
	defer tls.Close()
	const argsBytes, headerBytes = 3 * 8, 8
	room := libc.Xcalloc(tls, 1, argsBytes+headerBytes) // not Go's, where the race detector's checks keep libc from writing
	if room == 0 {
		return
	}
	defer libc.Xfree(tls, room)
	configure := func(option int32, values ...any) bool {
		return sqlite3.Xsqlite3_config(tls, option, libc.VaList(room, values...)) == sqlite3.SQLITE_OK
	}
	header := room + argsBytes
	if !configure(sqlite3.SQLITE_CONFIG_PCACHE_HDRSZ, header) {
		return
	}
	slot := pageSize + libc.VaInt32(&header)
	pool := libc.Xmalloc(tls, types.Size_t(slot)*pooledPages) // for as long as the process lives
	if pool != 0 && !configure(sqlite3.SQLITE_CONFIG_PAGECACHE, pool, slot, int32(pooledPages)) {
		libc.Xfree(tls, pool) // somebody else has opened a file already
	}
})
