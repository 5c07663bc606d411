package peers

// Debian's SQLite has full-text search and R-trees built in: 0.4 MB of each image, and code that whoever speaks SQL to
// dqlite could reach. The store has no such table. The linker takes these functions in place of SQLite's own, and
// so leaves out all that only those would call.

/*
struct sqlite3;

int sqlite3Fts3Init(struct sqlite3 *db) { (void)db; return 0; }
int sqlite3Fts5Init(struct sqlite3 *db) { (void)db; return 0; }
int sqlite3RtreeInit(struct sqlite3 *db) { (void)db; return 0; }
*/
import "C"
