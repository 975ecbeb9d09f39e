package sketches

import "errors"

// Errors that callers branch on with errors.Is. Every error of a decoder or of
// a merge wraps one of them and says which part of the input or which
// parameter is at fault.
var (
	// ErrCorrupt says that bytes are not the encoding of any state: they were
	// cut short, damaged, or are not in canonical form.
	ErrCorrupt = errors.New("sketches: corrupt encoding")

	// ErrMismatch says that two states, or a state and the layout it was
	// decoded for, differ in parameters and cannot be merged or read.
	ErrMismatch = errors.New("sketches: parameters differ")
)
