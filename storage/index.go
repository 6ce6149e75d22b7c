package storage

const slabSize = 4096 // postings in one allocation

// An index maps keyed hashes to chains of postings, newest arrival first. It
// is not safe for concurrent use.
type index struct {
	heads map[uint64]uint32
	slabs [][]node
	used  uint32 // nodes handed out, 0 is none
	free  uint32 // chain of nodes given back
	live  int    // (hash, scope) pairs whose newest version stands
}

// A node is a posting in memory. Its hash is the key of its chain.
type node struct {
	next, bulletin, expires uint32
	index                   uint16
	prefix, flags           uint8
}

// newIndex makes room for about n hashes.
func newIndex(n int) index {
	return index{heads: make(map[uint64]uint32, n), used: 1}
}

func (x *index) at(ref uint32) *node { return &x.slabs[ref/slabSize][ref%slabSize] }

func (x *index) alloc() uint32 {
	if x.free != 0 {
		ref := x.free
		x.free = x.at(ref).next
		return ref
	}
	ref := x.used
	if int(ref/slabSize) == len(x.slabs) {
		x.slabs = append(x.slabs, make([]node, slabSize))
	}
	x.used++
	return ref
}

// push puts a posting before the chain that starts at head, and is under hash.
func (x *index) push(hash uint64, head uint32, n node) {
	ref := x.alloc()
	n.next = head
	*x.at(ref) = n
	x.heads[hash] = ref
}

// remove takes the posting of an object out of its chain.
func (x *index) remove(hash uint64, bulletin uint32, object uint16) {
	before := uint32(0)
	for ref := x.heads[hash]; ref != 0; ref = x.at(ref).next {
		n := x.at(ref)
		if n.bulletin != bulletin || n.index != object {
			before = ref
			continue
		}
		switch {
		case before != 0:
			x.at(before).next = n.next
		case n.next != 0:
			x.heads[hash] = n.next
		default:
			delete(x.heads, hash)
		}
		*n = node{next: x.free}
		x.free = ref
		return
	}
}

// chain yields the postings under a hash.
func (x *index) chain(hash uint64) func(yield func(*node) bool) { return x.from(x.heads[hash]) }

// from yields the chain that starts at head.
func (x *index) from(head uint32) func(yield func(*node) bool) {
	return func(yield func(*node) bool) {
		for ref := head; ref != 0; {
			n := x.at(ref)
			if !yield(n) {
				return
			}
			ref = n.next
		}
	}
}

// bytes estimates the memory in use.
func (x *index) bytes() int64 {
	return int64(len(x.slabs))*slabSize*postingSize + int64(len(x.heads))*26
}
