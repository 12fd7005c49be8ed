package dynamodb

import (
	"maps"
	"regexp"
	"slices"
	"time"
)

// tableDefinition is what CreateTable is told. It stays as it was told.
type tableDefinition struct {
	TableName                 string
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keyElement
	GlobalSecondaryIndexes    []indexDefinition `json:",omitempty"`
	BillingMode               string
	SSESpecification          *encryption `json:",omitempty"`
	DeletionProtectionEnabled bool
}

type attributeDefinition struct{ AttributeName, AttributeType string }

type keyElement struct{ AttributeName, KeyType string }

type indexDefinition struct {
	IndexName  string
	KeySchema  []keyElement
	Projection indexProjection
}

type indexProjection struct {
	ProjectionType   string
	NonKeyAttributes []string `json:",omitempty"`
}

type encryption struct {
	Enabled bool
	SSEType string `json:",omitempty"`
}

const (
	region  = "us-east-1"
	account = "000000000000"
)

func tableARN(name string) string {
	return "arn:aws:dynamodb:" + region + ":" + account + ":table/" + name
}

func indexARN(table, index string) string { return tableARN(table) + "/index/" + index }

var tableName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

func checkTableName(name string) error {
	if name == "" {
		return missing("tableName")
	}
	if !tableName.MatchString(name) {
		return invalid("Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'")
	}
	return nil
}

// newTable makes an empty table.
func newTable(d tableDefinition, created time.Time) (*table, error) {
	if err := checkTableName(d.TableName); err != nil {
		return nil, err
	}
	if d.BillingMode != "PAY_PER_REQUEST" {
		return nil, unsupported("BillingMode %q: tables are PAY_PER_REQUEST", d.BillingMode)
	}
	kinds := map[string]string{}
	for _, a := range d.AttributeDefinitions {
		if a.AttributeName == "" {
			return nil, missing("attributeDefinitions.member.attributeName")
		}
		if a.AttributeType == "" {
			return nil, missing("attributeDefinitions.member.attributeType")
		}
		if err := oneOf("attributeDefinitions.member.attributeType", a.AttributeType, "B", "N", "S"); err != nil {
			return nil, err
		}
		if _, twice := kinds[a.AttributeName]; twice {
			return nil, invalid("Cannot have two attributes with the same name")
		}
		kinds[a.AttributeName] = a.AttributeType
	}
	key, err := newKeySchema(d.KeySchema, kinds)
	if err != nil {
		return nil, err
	}
	t := &table{definition: d, created: created, items: newCollection(key)}
	used := []keySchema{key}
	for _, i := range d.GlobalSecondaryIndexes {
		if err := checkTableName(i.IndexName); err != nil {
			return nil, err
		}
		if t.index(i.IndexName) != nil {
			return nil, invalidValue("Duplicate index name: %s", i.IndexName)
		}
		if err := i.Projection.check(); err != nil {
			return nil, err
		}
		key, err := newKeySchema(i.KeySchema, kinds)
		if err != nil {
			return nil, err
		}
		t.indexes = append(t.indexes, &index{definition: i, entries: newCollection(key)})
		used = append(used, key)
	}
	for name := range kinds {
		if !slices.ContainsFunc(used, func(k keySchema) bool { return k.has(name) }) {
			return nil, invalidValue("Some AttributeDefinitions are not used. AttributeDefinitions: %v, keys used: %v",
				slices.Sorted(maps.Keys(kinds)), keyNames(used))
		}
	}
	return t, nil
}

func keyNames(keys []keySchema) []string {
	names := map[string]bool{}
	for _, k := range keys {
		for _, a := range k.attributes() {
			names[a.name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func newCollection(key keySchema) collection {
	return collection{key: key, partitions: map[string]*shelf{}}
}

func newKeySchema(elements []keyElement, kinds map[string]string) (keySchema, error) {
	var key keySchema
	if len(elements) == 0 {
		return key, missing("keySchema")
	}
	if len(elements) > 2 {
		return key, unsupported("a key of more than two attributes")
	}
	for i, e := range elements {
		kind, defined := kinds[e.AttributeName]
		if !defined {
			return key, invalidValue("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: %v",
				e.AttributeName, slices.Sorted(maps.Keys(kinds)))
		}
		switch {
		case i == 0 && e.KeyType == "HASH":
			key.hash = keyAttribute{e.AttributeName, kind}
		case i == 1 && e.KeyType == "RANGE" && e.AttributeName != key.hash.name:
			key.sort = keyAttribute{e.AttributeName, kind}
		case i == 0:
			return key, invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
		case e.KeyType != "RANGE":
			return key, invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
		default:
			return key, invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
		}
	}
	return key, nil
}

func (p indexProjection) check() error {
	switch {
	case p.ProjectionType == "":
		return invalidValue("Unknown ProjectionType: null")
	case p.ProjectionType == "INCLUDE" && len(p.NonKeyAttributes) == 0:
		return invalidValue("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	case p.ProjectionType != "INCLUDE" && len(p.NonKeyAttributes) > 0:
		return invalidValue("ProjectionType is %s, but NonKeyAttributes is specified", p.ProjectionType)
	}
	return oneOf("projection.projectionType", p.ProjectionType, "ALL", "INCLUDE", "KEYS_ONLY")
}

func (s *Server) createTable(in tableDefinition) (answer, error) {
	t, err := newTable(in, s.now())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables[in.TableName] != nil {
		return nil, exception("ResourceInUseException", "Table already exists: %s", in.TableName)
	}
	s.tables[in.TableName] = t
	return answer{"TableDescription": t.describe()}, nil
}

// describe is the table as AWS describes it. It is active as soon as it is there.
func (t *table) describe() answer {
	d := t.definition
	size := 0
	for _, s := range t.items.partitions {
		for e := range s.between("", "", true) {
			size += e.item.itemSize()
		}
	}
	description := answer{
		"TableName":                 d.TableName,
		"TableArn":                  tableARN(d.TableName),
		"TableStatus":               "ACTIVE",
		"CreationDateTime":          seconds(t.created),
		"AttributeDefinitions":      d.AttributeDefinitions,
		"KeySchema":                 d.KeySchema,
		"BillingModeSummary":        answer{"BillingMode": d.BillingMode, "LastUpdateToPayPerRequestDateTime": seconds(t.created)},
		"ProvisionedThroughput":     answer{"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0},
		"DeletionProtectionEnabled": d.DeletionProtectionEnabled,
		"ItemCount":                 t.items.count,
		"TableSizeBytes":            size,
	}
	if d.SSESpecification != nil && d.SSESpecification.Enabled {
		description["SSEDescription"] = answer{"Status": "ENABLED", "SSEType": "KMS"}
	}
	var indexes []answer
	for _, x := range t.indexes {
		indexes = append(indexes, answer{
			"IndexName":   x.definition.IndexName,
			"IndexArn":    indexARN(d.TableName, x.definition.IndexName),
			"IndexStatus": "ACTIVE",
			"KeySchema":   x.definition.KeySchema,
			"Projection":  x.definition.Projection,
			"ItemCount":   x.entries.count,
		})
	}
	if indexes != nil {
		description["GlobalSecondaryIndexes"] = indexes
	}
	return description
}

// seconds is a time as DynamoDB writes it in JSON.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

type namedTable struct{ TableName string }

// named finds a table for an operation on the table itself, for which AWS words its absence in another way.
func (s *Server) named(name string) (*table, error) {
	if err := checkTableName(name); err != nil {
		return nil, err
	}
	if t := s.tables[name]; t != nil {
		return t, nil
	}
	return nil, exception("ResourceNotFoundException", "Requested resource not found: Table: %s not found", name)
}

func (s *Server) describeTable(in namedTable) (answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, err := s.named(in.TableName)
	if err != nil {
		return nil, err
	}
	return answer{"Table": t.describe()}, nil
}

func (s *Server) deleteTable(in namedTable) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.named(in.TableName)
	if err != nil {
		return nil, err
	}
	if t.definition.DeletionProtectionEnabled {
		return nil, invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	delete(s.tables, in.TableName)
	description := t.describe()
	description["TableStatus"] = "DELETING"
	return answer{"TableDescription": description}, nil
}

type listTablesInput struct {
	ExclusiveStartTableName string
	Limit                   *int
}

func (s *Server) listTables(in listTablesInput) (answer, error) {
	limit := 100
	if in.Limit != nil {
		if limit = *in.Limit; limit < 1 || limit > 100 {
			return nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and 100", limit)
		}
	}
	s.mu.RLock()
	names := slices.Sorted(maps.Keys(s.tables))
	s.mu.RUnlock()
	if at, found := slices.BinarySearch(names, in.ExclusiveStartTableName); found {
		names = names[at+1:]
	} else {
		names = names[at:]
	}
	if len(names) <= limit {
		return answer{"TableNames": append([]string{}, names...)}, nil
	}
	return answer{"TableNames": names[:limit], "LastEvaluatedTableName": names[limit-1]}, nil
}
