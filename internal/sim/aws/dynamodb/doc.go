// Package dynamodb is Amazon DynamoDB on one machine: the wire protocol (AWS JSON 1.0), the expressions, conditions,
// transactions, indexes, limits and error messages, kept in memory.
//
// It is bounded and strict. It does what this project uses exactly as AWS does it, and refuses everything else by name:
// an operation, a parameter or a word in an expression that it does not know is an error, never ignored. Scan is refused
// too, since nothing here may read a whole table.
//
// What it does not try: reads are always consistent, an index follows its table at once, capacity is counted but never
// throttled, and expired items go only when ExpireNow is called.
package dynamodb
