package sketches

// leading returns the k first of es in order, or all of them; es is left in disorder. To
// sort everything took a millisecond for a few thousand entries, of which ten were wanted.
func leading[E any](es []E, k int, compare func(a, b *E) int) []E {
	k = max(0, min(k, len(es)))
	// The last of the k that are the first so far is on top of a heap.
	heap, rest := es[:k], es[k:]
	for i := k/2 - 1; i >= 0; i-- {
		sink(heap, i, compare)
	}
	for i := range rest {
		if k > 0 && compare(&rest[i], &heap[0]) < 0 {
			heap[0], rest[i] = rest[i], heap[0]
			sink(heap, 0, compare)
		}
	}
	for n := k - 1; n > 0; n-- {
		heap[0], heap[n] = heap[n], heap[0]
		sink(heap[:n], 0, compare)
	}
	return heap
}

// sink moves an element of a heap down to where none below comes after it.
func sink[E any](heap []E, i int, compare func(a, b *E) int) {
	for {
		next := 2*i + 1
		if next >= len(heap) {
			return
		}
		if other := next + 1; other < len(heap) && compare(&heap[other], &heap[next]) > 0 {
			next = other
		}
		if compare(&heap[next], &heap[i]) <= 0 {
			return
		}
		heap[i], heap[next] = heap[next], heap[i]
		i = next
	}
}
