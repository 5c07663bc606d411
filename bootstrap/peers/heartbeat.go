package peers

// dqlite has one unit for all of its times, and sends ten heartbeats in the shortest time after which a leader
// is missed. In a set of five members they are most of what an idle one does: each is a message under TLS, its
// answer, and a handful of woken threads. Five are enough to tell a leader from none. There is no call for it:
// the linker puts this function before the one that dqlite itself calls (raft.h, raft_set_heartbeat_timeout).

/*
#cgo LDFLAGS: -Wl,--wrap=raft_set_heartbeat_timeout
struct raft;
void __real_raft_set_heartbeat_timeout(struct raft *r, unsigned msecs);

void __wrap_raft_set_heartbeat_timeout(struct raft *r, unsigned msecs) {
	__real_raft_set_heartbeat_timeout(r, 2 * msecs);
}
*/
import "C"
