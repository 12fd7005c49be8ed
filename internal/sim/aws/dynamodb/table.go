package dynamodb

import (
	"slices"
	"strings"
	"time"
)

// table is a table with its items and indexes.
type table struct {
	definition tableDefinition
	created    time.Time
	expires    string // the attribute of its time to live, or empty
	recovery   bool   // point-in-time recovery
	items      collection
	indexes    []*index
}

// index is a global secondary index. It holds those items of its table that have all of its key.
type index struct {
	definition indexDefinition
	entries    collection
}

// collection is what a table and an index have in common: items by key.
type collection struct {
	key        keySchema
	partitions map[string]*shelf
	count      int
}

// keySchema is the key of a collection. The name of sort is empty if the key is a hash key alone.
type keySchema struct{ hash, sort keyAttribute }

type keyAttribute struct{ name, kind string }

func (k keySchema) attributes() []keyAttribute {
	if k.sort.name == "" {
		return []keyAttribute{k.hash}
	}
	return []keyAttribute{k.hash, k.sort}
}

func (k keySchema) has(name string) bool {
	return name == k.hash.name || name == k.sort.name && name != ""
}

// of returns the key of an item.
func (k keySchema) of(item document) document {
	key := document{}
	for _, a := range k.attributes() {
		key[a.name] = item[a.name]
	}
	return key
}

// address is where an item is kept.
type address struct {
	partition string
	order     string // within the partition
}

// component is a part of an order: parts that are put behind each other sort as the list of their values does. The end of
// a part, \0\1, is less than any byte that can follow in a longer one, since \0 itself is written \0\xff.
func component(v value) string { return prefix(v) + "\x00\x01" }

// prefix is what the components of all values start with that start as v does.
func prefix(v value) string { return strings.ReplaceAll(scalarOrder(v), "\x00", "\x00\xff") }

// following returns the least order that is greater than all that start with s, or nothing if there is none.
func following(s string) string {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != 0xff {
			return s[:i] + string([]byte{s[i] + 1})
		}
	}
	return ""
}

// address returns where the item with a key belongs in the table.
func (t *table) address(key document) address { return t.items.key.address(key) }

func (k keySchema) address(key document) address {
	a := address{partition: scalarOrder(key[k.hash.name])}
	if k.sort.name != "" {
		a.order = component(key[k.sort.name])
	}
	return a
}

// address returns where an item belongs in the index, if it does. Items with the same key in the index are told apart by
// their keys in the table.
func (x *index) address(t *table, item document) (a address, belongs bool) {
	for _, attribute := range x.entries.key.attributes() {
		if item[attribute.name] == nil {
			return address{}, false
		}
	}
	a = x.entries.key.address(item)
	for _, attribute := range t.items.key.attributes() {
		a.order += component(item[attribute.name])
	}
	return a, true
}

func (c *collection) get(a address) document {
	if s := c.partitions[a.partition]; s != nil {
		return s.get(a.order)
	}
	return nil
}

// put keeps an item at an address. It replaces one that is already there.
func (c *collection) put(a address, item document) {
	s := c.partitions[a.partition]
	if s == nil {
		s = &shelf{}
		c.partitions[a.partition] = s
	}
	if s.get(a.order) == nil {
		c.count++
	}
	s.put(a.order, item)
}

func (c *collection) remove(a address) {
	s := c.partitions[a.partition]
	if s == nil || s.get(a.order) == nil {
		return
	}
	s.remove(a.order)
	c.count--
	if len(s.boards) == 0 {
		delete(c.partitions, a.partition)
	}
}

// set makes an item of the table, and of its indexes, what it shall be from now on; nil removes it. It returns how many
// units each index needs for that.
func (t *table) set(a address, item document) map[string]float64 {
	old := t.items.get(a)
	units := map[string]float64{}
	for _, x := range t.indexes {
		if n := x.follow(t, old, item); n > 0 {
			units[x.definition.IndexName] = n
		}
	}
	if item == nil {
		t.items.remove(a)
	} else {
		t.items.put(a, item)
	}
	return units
}

// follow changes the index as its table changes, and returns how many write units that needs: nothing if what the index
// shows of the item stays the same, and twice as much if an entry moves, since it is deleted and put.
func (x *index) follow(t *table, old, item document) (units float64) {
	from, was := address{}, false
	if old != nil {
		from, was = x.address(t, old)
	}
	to, is := address{}, false
	if item != nil {
		to, is = x.address(t, item)
	}
	before, after := x.shown(t, old), x.shown(t, item)
	switch {
	case was && is && from == to:
		if !equal(before, after) {
			units = writeUnits(max(before.itemSize(), after.itemSize()))
		}
	case was && is:
		units = writeUnits(before.itemSize()) + writeUnits(after.itemSize())
	case was:
		units = writeUnits(before.itemSize())
	case is:
		units = writeUnits(after.itemSize())
	}
	if was && from != to {
		x.entries.remove(from)
	}
	if is {
		x.entries.put(to, item)
	}
	return units
}

// shown returns what an index projects of an item.
func (x *index) shown(t *table, item document) document {
	if x.definition.Projection.ProjectionType == "ALL" {
		return item
	}
	part := document{}
	for name, v := range item {
		if x.projects(t, name) {
			part[name] = v
		}
	}
	return part
}

func (x *index) projects(t *table, name string) bool {
	return x.definition.Projection.ProjectionType == "ALL" || x.entries.key.has(name) || t.items.key.has(name) ||
		slices.Contains(x.definition.Projection.NonKeyAttributes, name)
}

func (t *table) index(name string) *index {
	i := slices.IndexFunc(t.indexes, func(x *index) bool { return x.definition.IndexName == name })
	if i < 0 {
		return nil
	}
	return t.indexes[i]
}

// Sizes of keys in bytes, from
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-partition-sort-keys
const (
	largestHashKey = 2048
	largestSortKey = 1024
)

// checkKey checks that a key is a key of this table, with nothing missing and nothing more.
func (t *table) checkKey(key document) error {
	attributes := t.items.key.attributes()
	for _, a := range attributes {
		if v := key[a.name]; v == nil || v.kind() != a.kind {
			return wrongKey()
		}
	}
	if len(key) != len(attributes) {
		return wrongKey()
	}
	return t.checkKeyValues(key)
}

func wrongKey() error { return invalid("The provided key element does not match the schema") }

// checkItem checks that an item may be put into this table.
func (t *table) checkItem(item document) error {
	for _, a := range t.items.key.attributes() {
		v := item[a.name]
		if v == nil {
			return invalidValue("Missing the key %s in the item", a.name)
		}
		if v.kind() != a.kind {
			return invalidValue("Type mismatch for key %s expected: %s actual: %s", a.name, a.kind, v.kind())
		}
	}
	if _, ok := item[""]; ok {
		return invalid("Empty attribute name")
	}
	if err := t.checkKeyValues(item); err != nil {
		return err
	}
	for _, x := range t.indexes {
		for _, a := range x.entries.key.attributes() {
			v := item[a.name]
			if v == nil {
				continue
			}
			if v.kind() != a.kind {
				return invalidValue("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", a.name, a.kind, v.kind(), x.definition.IndexName)
			}
			if empty(v) {
				return invalid("One or more parameter values are not valid. A value specified for a secondary index key is not supported. "+
					"The AttributeValue for a key attribute cannot contain an empty %s value. IndexName: %s, IndexKey: %s",
					scalarNames[v.kind()], x.definition.IndexName, a.name)
			}
		}
	}
	return nil
}

// checkUpdated is checkItem for an item that an update made. AWS words the same faults in another way then.
func (t *table) checkUpdated(item document) error {
	for _, x := range t.indexes {
		for _, a := range x.entries.key.attributes() {
			v := item[a.name]
			if v != nil && v.kind() != a.kind {
				return invalid("The update expression attempted to update the secondary index key to unsupported type")
			}
			if v != nil && empty(v) {
				return invalid("One or more parameter values are not valid. The update expression attempted to update a secondary index key "+
					"to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty %s value.", scalarNames[v.kind()])
			}
		}
	}
	return nil
}

var scalarNames = map[string]string{"S": "string", "B": "binary"}

func empty(v value) bool { return v == text("") || v == binary("") }

func (t *table) checkKeyValues(key document) error {
	for _, a := range t.items.key.attributes() {
		if err := a.checkValue(key[a.name]); err != nil {
			return err
		}
	}
	if key[t.items.key.hash.name].size() > largestHashKey {
		return invalidValue("Size of hashkey has exceeded the maximum size limit of2048 bytes")
	}
	if sort := t.items.key.sort.name; sort != "" && key[sort].size() > largestSortKey {
		return invalidValue("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
	}
	return nil
}

func (a keyAttribute) checkValue(v value) error {
	if empty(v) {
		return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s",
			scalarNames[v.kind()], a.name)
	}
	return nil
}
