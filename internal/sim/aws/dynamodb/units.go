package dynamodb

import (
	"maps"
	"sync"
)

// Units is consumed capacity, counted as AWS bills it: a write unit for each started KB of the larger of old and new
// item, also when its condition fails, and again for each index entry that changes; half a read unit for each started
// 4 KB, or a whole one if the read is consistent; all of it twice in transactions. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
type Units struct {
	Read, Write float64
	Requests    map[string]int // by operation, refused ones included
}

// Units returns what was consumed since the server was made or ResetUnits was called.
func (s *Server) Units() Units {
	s.units.mu.Lock()
	defer s.units.mu.Unlock()
	u := s.units.total
	u.Requests = maps.Clone(u.Requests)
	if u.Requests == nil {
		u.Requests = map[string]int{}
	}
	return u
}

// ResetUnits starts to count from nothing.
func (s *Server) ResetUnits() {
	s.units.mu.Lock()
	defer s.units.mu.Unlock()
	s.units.total = Units{}
}

// meter counts Units. Its zero value is ready.
type meter struct {
	mu    sync.Mutex
	total Units
}

func (m *meter) request(operation string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.total.Requests == nil {
		m.total.Requests = map[string]int{}
	}
	m.total.Requests[operation]++
}

func (m *meter) add(read, write float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total.Read += read
	m.total.Write += write
}

// writeUnits is what writing that many bytes costs.
func writeUnits(bytes int) float64 { return float64(max(1, (bytes+1023)/1024)) }

// readUnits is what reading that many bytes costs.
func readUnits(bytes int, consistent bool) float64 {
	units := float64(max(1, (bytes+4095)/4096))
	if !consistent {
		units /= 2
	}
	return units
}

// consumption is the capacity that one operation takes from one table.
type consumption struct {
	table   float64
	indexes map[string]float64
}

func (c *consumption) add(more consumption) {
	c.table += more.table
	for name, units := range more.indexes {
		if c.indexes == nil {
			c.indexes = map[string]float64{}
		}
		c.indexes[name] += units
	}
}

func (c consumption) twice() consumption {
	c.add(c.clone())
	return c
}

func (c consumption) clone() consumption { return consumption{c.table, maps.Clone(c.indexes)} }

func (c consumption) total() float64 {
	total := c.table
	for _, units := range c.indexes {
		total += units
	}
	return total
}

// report is the ConsumedCapacity of an answer, or nil if it was not asked for.
func (c consumption) report(wanted, table string) answer {
	if wanted != "TOTAL" && wanted != "INDEXES" {
		return nil
	}
	report := answer{"TableName": table, "CapacityUnits": c.total()}
	if wanted == "INDEXES" {
		report["Table"] = answer{"CapacityUnits": c.table}
		if len(c.indexes) > 0 {
			indexes := answer{}
			for name, units := range c.indexes {
				indexes[name] = answer{"CapacityUnits": units}
			}
			report["GlobalSecondaryIndexes"] = indexes
		}
	}
	return report
}

func checkReturnConsumedCapacity(wanted string) error {
	return oneOf("returnConsumedCapacity", wanted, "INDEXES", "TOTAL", "NONE")
}
