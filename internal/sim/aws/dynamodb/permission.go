package dynamodb

// Permission is something that IAM would have to allow.
type Permission struct {
	Action   string // such as dynamodb:PutItem
	Resource string // ARN of a table or an index
}

// Permissions returns what a caller must be allowed to do so that a request with this X-Amz-Target and body may run. A
// transaction is not an action of its own: it needs the actions that it is made of, each on its table. A request that is
// broken, or names no table, needs nothing here: the server refuses it, or answers with nothing that belongs to anybody.
func Permissions(target string, body []byte) []Permission { return nil }

// Resources returns the ARNs of the tables and indexes that a request touches, each once.
func Resources(target string, body []byte) []string {
	var arns []string
	for _, p := range Permissions(target, body) {
		arns = append(arns, p.Resource)
	}
	return arns
}
