// Package event holds what enters sketchlog: events with their scalar values, batches of
// events by column, the canonical bytes and hashes of items and keys, the decoders of
// request bodies, and the wire formats of batches and of producers' numbers (FORMAT.md).
package event
