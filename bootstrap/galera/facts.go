package galera

import "github.com/hornero/hornero/bootstrap/peerset"

// Facts that a database node reports about itself.
const (
	FactUUID          = peerset.FactUUID
	FactSeqno         = peerset.FactSeqno
	FactEvidence      = "galera.evidence"
	FactClusterStatus = "galera.cluster_status"
	FactSize          = "galera.size"
	FactState         = "galera.state"
	FactAddress       = "galera.address"
	FactLeaving       = peerset.FactLeaving
	FactFree          = "galera.free"   // space on the disk, for people; refreshed now and then
	FactShort         = "galera.short"  // there is too little of it to take writes
	FactReason        = "galera.reason" // why there is no evidence
	FactArbiters      = "galera.arbiters"
	FactSeed          = "galera.seed"     // of a directory that is as it was baked
	FactView          = "galera.view"     // addresses of the database nodes in the server's view
	FactStranger      = "galera.stranger" // members of the view that the peer set does not know
	FactEnded         = "galera.ended"    // the member of Galera's view that this node's server was; it has ended
)
