package event

import (
	"hash/maphash"
	"strings"
)

// keyCache remembers the keys of records' attributes: how each stands in an
// event and what it means. Most records have the keys of the one before in the
// same order, so that one comparison finds each. One goroutine owns it.
type keyCache struct {
	rules  *rules // that the keys are judged by
	slots  []cachedKey
	start  cachedKey // stands before the first key of a record
	record uint64    // counts the maps gone through
	apart  int       // keys of this map that are not remembered
	seed   maphash.Seed
}

// cachedKey is a key that stands for itself in a JSON string.
type cachedKey struct {
	member  []byte // as it stands in an event: ,"key": ; empty: none
	meaning *meaning
	secret  bool   // its value is redacted
	held    bool   // its value is withheld
	plain   bool   // it means nothing to the event
	next    uint16 // slot of the key that followed it last
	record  uint64 // the last map that had it
}

const (
	keySlots  = 512 // a power of two
	keyProbes = 4
	// maxCachedKey is the longest key, in bytes, that is remembered. No limit of
	// identity fields is lower.
	maxCachedKey = 64
)

// begin begins a map.
func (c *keyCache) begin(r *rules) *cachedKey {
	if c.rules != r {
		c.rules, c.slots, c.seed = r, make([]cachedKey, keySlots), maphash.MakeSeed()
	}
	c.record++
	c.apart = 0
	return &c.start
}

func (k *cachedKey) is(key string) bool {
	const around = len(`,"":`)
	return len(k.member) == len(key)+around && string(k.member[2:2+len(key)]) == key
}

// find returns a key that follows after. It is nil for a key that is not
// remembered: that is long, does not stand for itself, or has no room among
// those of this map. A key of this map that is remembered stays so to its end.
func (c *keyCache) find(key string, after *cachedKey) *cachedKey {
	if k := &c.slots[after.next&(keySlots-1)]; k.is(key) {
		return k
	}
	return c.look(key, after)
}

func (c *keyCache) look(key string, after *cachedKey) *cachedKey {
	h := uint32(maphash.String(c.seed, key))
	free := -1
	for i := range uint32(keyProbes) {
		n := (h + i) & (keySlots - 1)
		k := &c.slots[n]
		if k.is(key) {
			after.next = uint16(n)
			return k
		}
		if free < 0 && k.record != c.record {
			free = int(n)
		}
	}
	if free < 0 || len(key) > maxCachedKey || !isClean(key) {
		return nil
	}
	k := &c.slots[free]
	k.member = append(append(append(k.member[:0], `,"`...), key...), `":`...)
	k.meaning = c.rules.index.find(key, hashKey(key))
	k.secret, k.held = c.rules.secrets.match(key), c.rules.secrets.held[key]
	k.plain = k.meaning == nil && !strings.HasPrefix(key, securityRulePrefix)
	k.record = 0
	after.next = uint16(free)
	return k
}
