// Package eventlog is the log that events are kept in: streams cut into
// partitions, each an ordered sequence of records with offsets from 1.
//
// eventlog.go declares what a log is; the packages memlog (in memory, for
// tests) and jetstream (NATS JetStream) implement it, and logtest holds the
// suite that both pass. On top of any of them stands the Tail: the live end of
// one partition, where batches of events are appended and from where readers
// follow.
//
//	intake ──Append──▶ Tail ──record──▶ Partition (jetstream, memlog)
//	                    │  ▲                 │
//	             batches│  └──what others────┘
//	              cached│     appended
//	                    ▼
//	         Reader, Reader, … one a view
package eventlog
