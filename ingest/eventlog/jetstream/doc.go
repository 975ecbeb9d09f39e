// Package jetstream is the log on NATS JetStream: a server embedded in the
// process by default, or one that runs elsewhere. It is the only package of the
// log that imports NATS.
//
// One JetStream stream holds one partition, because reading one subject out of
// several in a stream costs the reading of all. Its name is
// sketchlog_STREAM_NUMBER and its subject sketchlog.STREAM.NUMBER; the number
// holds no underscore, so names are unambiguous. Definitions are in the
// key-value bucket sketchlog_catalog under KIND.NAME.
//
// Records are read by batches of direct gets. Ordered consumers read about a
// third faster, but cost half a millisecond to begin, keep state on the server
// and need a watchdog; a direct get is one request, so one way of reading serves
// the long replay (over 1 GB/s in process) and the last few records alike.
//
// JetStream skips a damaged record without a word. Reading therefore checks that
// sequences are consecutive, asks for what is missing once more, from the
// stream's leader, and reports as a gap what is missing still.
package jetstream
