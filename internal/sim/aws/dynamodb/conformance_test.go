package dynamodb_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
)

// The suite in this file runs on the emulator, or on the DynamoDB that DYNAMODB_ENDPOINT names.

// strays are the tests that DynamoDB Local 3.3.1 does not pass, and what it does there other than AWS.
var strays = map[string]string{
	"updated values are only those of the paths": "it returns the whole attributes that the paths lead into",
	"numbers are normalised at every depth":      "it normalises a number only when it is an attribute that is read",
	"an unknown choice":                          "it takes it for another one",
	"a number that is none":                      "it words it in another way",
	"a batch of nothing":                         "it words it in another way",
	"a number for a string":                      "it takes it for a string",
	"an unknown parameter":                       "it ignores it, as AWS does; only the emulator is strict",
	"a legacy parameter":                         "it knows it, as AWS does; only the emulator is bounded",
	"an operation too many":                      "it knows it, as AWS does; only the emulator is bounded",
}

// under returns the endpoint under test.
func under(t *testing.T) string {
	t.Helper()
	if reference != "" {
		return reference
	}
	endpoint, _ := emulator(t, dynamodb.Options{})
	return endpoint
}

// seeds are the items of the table in TestAnswers.
var seeds = []string{
	`{"pk":{"S":"a"},"sk":{"S":"1"},"n":{"N":"5"},"s":{"S":"hello"},"l":{"L":[{"S":"x"},{"S":"y"},{"S":"z"}]},
		"m":{"M":{"x":{"N":"1"},"y":{"M":{"z":{"S":"deep"}}}}},"ss":{"SS":["x","y"]},"shard":{"S":"q"},"dueAt":{"N":"10"}}`,
	`{"pk":{"S":"a"},"sk":{"S":"2"},"n":{"N":"7"},"shard":{"S":"q"},"dueAt":{"N":"-20"}}`,
	`{"pk":{"S":"a"},"sk":{"S":"3"},"n":{"N":"70"}}`,
}

const (
	one   = `"Key":{"pk":{"S":"a"},"sk":{"S":"1"}}`
	none  = `"Key":{"pk":{"S":"b"},"sk":{"S":"1"}}`
	of    = `"ExpressionAttributeValues":`
	inA   = `"KeyConditionExpression":"pk = :p",` + of + `{":p":{"S":"a"}}`
	inDue = `"IndexName":"due","KeyConditionExpression":"#s = :p","ExpressionAttributeNames":{"#s":"shard"},` + of + `{":p":{"S":"q"}}`
	// validation is where most errors start.
	validation = "com.amazon.coral.validate#ValidationException: "
	exceptions = "com.amazonaws.dynamodb.v20120810#"
)

// TestAnswers sends single requests, with their table's name left out, to a table of seeds. Answer is what comes back, or
// fails is: type and message of the error.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		operation, body string
		answer, fails   string
	}{
		// ---- what comes back -------------------------------------------------------------------------------------
		"an item that is not there":  {operation: "GetItem", body: none, answer: `{}`},
		"some attributes of an item": {operation: "GetItem", body: one + `,"ProjectionExpression":"n, m.y.z, l[2], l[0], nothing"`, answer: `{"Item":{"n":{"N":"5"},"m":{"M":{"y":{"M":{"z":{"S":"deep"}}}}},"l":{"L":[{"S":"x"},{"S":"z"}]}}}`},
		"a put that replaces": {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"3"}},"ReturnValues":"ALL_OLD"`,
			answer: `{"Attributes":{"pk":{"S":"a"},"sk":{"S":"3"},"n":{"N":"70"}}}`},
		"an update of nothing makes the item": {operation: "UpdateItem", body: none + `,"UpdateExpression":"SET s = if_not_exists(s, :s), n = :n ADD c :n",` + of + `{":s":{"S":"new"},":n":{"N":"3"}},"ReturnValues":"ALL_NEW"`,
			answer: `{"Attributes":{"pk":{"S":"b"},"sk":{"S":"1"},"s":{"S":"new"},"n":{"N":"3"},"c":{"N":"3"}}}`},
		"an update computes from the old item": {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET n = n + :n, was = n, l = list_append(l, :l) REMOVE s, ss, m.x",` + of + `{":n":{"N":"-0.5"},":l":{"L":[{"N":"1"}]}},"ReturnValues":"ALL_NEW"`,
			answer: `{"Attributes":{"pk":{"S":"a"},"sk":{"S":"1"},"n":{"N":"4.5"},"was":{"N":"5"},"l":{"L":[{"S":"x"},{"S":"y"},{"S":"z"},{"N":"1"}]},"m":{"M":{"y":{"M":{"z":{"S":"deep"}}}}},"shard":{"S":"q"},"dueAt":{"N":"10"}}}`},
		"indexes of a list are those of the old list": {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET l[2] = :s, l[9] = :s REMOVE l[0], l[1]",` + of + `{":s":{"S":"new"}},"ReturnValues":"UPDATED_OLD"`,
			answer: `{"Attributes":{"l":{"L":[{"S":"x"},{"S":"y"},{"S":"z"}]}}}`},
		"ADD and DELETE on sets": {operation: "UpdateItem", body: one + `,"UpdateExpression":"ADD ss :add, fresh :add DELETE gone :add",` + of + `{":add":{"SS":["z","y"]}},"ReturnValues":"UPDATED_NEW"`,
			answer: `{"Attributes":{"ss":{"SS":["x","y","z"]},"fresh":{"SS":["y","z"]}}}`},
		"nothing stays of a set without members": {operation: "UpdateItem", body: one + `,"UpdateExpression":"DELETE ss :all",` + of + `{":all":{"SS":["x","y"]}},"ReturnValues":"UPDATED_NEW"`, answer: `{}`},
		"updated values are only those of the paths": {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET m.y.z = :s, l[1] = :s",` + of + `{":s":{"S":"new"}},"ReturnValues":"UPDATED_NEW"`,
			answer: `{"Attributes":{"m":{"M":{"y":{"M":{"z":{"S":"new"}}}}},"l":{"L":[{"S":"new"}]}}}`},
		"numbers are normalised at every depth": {operation: "UpdateItem", body: none + `,"UpdateExpression":"SET n = :n, l = :l",` + of + `{":n":{"N":"+00120.50E-1"},":l":{"L":[{"N":"-1.50"},{"N":"1e3"},{"N":"-0.0"}]}},"ReturnValues":"UPDATED_NEW"`,
			answer: `{"Attributes":{"n":{"N":"12.05"},"l":{"L":[{"N":"-1.5"},{"N":"1000"},{"N":"0"}]}}}`},
		"numbers of 38 digits are exact": {operation: "UpdateItem", body: none + `,"UpdateExpression":"SET a = :a + :one, b = :b - :c",` + of + `{":a":{"N":"99999999999999999999999999999999999998"},":one":{"N":"1"},":b":{"N":"0.3"},":c":{"N":"0.1"}},"ReturnValues":"UPDATED_NEW"`,
			answer: `{"Attributes":{"a":{"N":"99999999999999999999999999999999999999"},"b":{"N":"0.2"}}}`},

		// ---- queries ---------------------------------------------------------------------------------------------
		"a page ends at its limit even if it is the last": {operation: "Query", body: inA + `,"Limit":3,"ProjectionExpression":"sk"`,
			answer: `{"Items":[{"sk":{"S":"1"}},{"sk":{"S":"2"}},{"sk":{"S":"3"}}],"Count":3,"ScannedCount":3,"LastEvaluatedKey":{"pk":{"S":"a"},"sk":{"S":"3"}}}`},
		"a page goes on behind its start": {operation: "Query", body: inA + `,"ScanIndexForward":false,"ExclusiveStartKey":{"pk":{"S":"a"},"sk":{"S":"3"}},"Limit":1,"ProjectionExpression":"sk"`,
			answer: `{"Items":[{"sk":{"S":"2"}}],"Count":1,"ScannedCount":1,"LastEvaluatedKey":{"pk":{"S":"a"},"sk":{"S":"2"}}}`},
		"a filter counts what it hides": {operation: "Query", body: `"KeyConditionExpression":"pk = :p AND sk < :k","FilterExpression":"n > :n",` + of + `{":p":{"S":"a"},":k":{"S":"3"},":n":{"N":"6"}},"Select":"COUNT"`,
			answer: `{"Count":1,"ScannedCount":2}`},
		"an index has what has its key, and shows keys only": {operation: "Query", body: inDue + `,"Limit":9`,
			answer: `{"Items":[{"pk":{"S":"a"},"sk":{"S":"2"},"shard":{"S":"q"},"dueAt":{"N":"-20"}},{"pk":{"S":"a"},"sk":{"S":"1"},"shard":{"S":"q"},"dueAt":{"N":"10"}}],"Count":2,"ScannedCount":2}`},
		"a page of an index ends with both keys": {operation: "Query", body: inDue + `,"Limit":1,"Select":"COUNT"`,
			answer: `{"Count":1,"ScannedCount":1,"LastEvaluatedKey":{"pk":{"S":"a"},"sk":{"S":"2"},"shard":{"S":"q"},"dueAt":{"N":"-20"}}}`},
		"a query of nothing costs half a unit": {operation: "Query", body: `"KeyConditionExpression":"pk = :p",` + of + `{":p":{"S":"none"}},"ReturnConsumedCapacity":"TOTAL"`,
			answer: `{"Items":[],"Count":0,"ScannedCount":0,"ConsumedCapacity":{"TableName":"TABLE","CapacityUnits":0.5}}`},

		// ---- conditions that fail --------------------------------------------------------------------------------
		"a failed condition": {operation: "DeleteItem", body: one + `,"ConditionExpression":"n <> :n",` + of + `{":n":{"N":"5.0"}}`,
			fails: exceptions + "ConditionalCheckFailedException: The conditional request failed"},
		"a failed condition shows the item": {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"3"}},"ConditionExpression":"attribute_not_exists(pk)","ReturnValuesOnConditionCheckFailure":"ALL_OLD"`,
			answer: `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed","Item":{"pk":{"S":"a"},"sk":{"S":"3"},"n":{"N":"70"}}}`},
		"a failed condition on nothing has nothing to show": {operation: "UpdateItem", body: none + `,"UpdateExpression":"REMOVE n","ConditionExpression":"attribute_exists(pk)","ReturnValuesOnConditionCheckFailure":"ALL_OLD"`,
			fails: exceptions + "ConditionalCheckFailedException: The conditional request failed"},

		// ---- transactions ----------------------------------------------------------------------------------------
		"a cancelled transaction says why for each action": {operation: "TransactWriteItems", body: `"TransactItems":[{"Put":{"TableName":"TABLE","Item":{"pk":{"S":"c"},"sk":{"S":"1"}}}},` +
			`{"Update":{"TableName":"TABLE",` + one + `,"UpdateExpression":"REMOVE n","ConditionExpression":"attribute_not_exists(n)"}},` +
			`{"Delete":{"TableName":"TABLE","Key":{"pk":{"S":"a"},"sk":{"S":"3"}},"ConditionExpression":"attribute_not_exists(n)","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}}]`,
			answer: `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ConditionalCheckFailed]",
				"CancellationReasons":[{"Code":"None"},{"Code":"ConditionalCheckFailed","Message":"The conditional request failed"},{"Code":"ConditionalCheckFailed","Message":"The conditional request failed","Item":{"pk":{"S":"a"},"sk":{"S":"3"},"n":{"N":"70"}}}]}`},
		"a failed operand cancels a transaction": {operation: "TransactWriteItems", body: `"TransactItems":[{"Update":{"TableName":"TABLE",` + one + `,"UpdateExpression":"SET n = n + s"}}]`,
			answer: `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"Transaction cancelled, please refer cancellation reasons for specific reasons [ValidationError]",
				"CancellationReasons":[{"Code":"ValidationError","Message":"An operand in the update expression has an incorrect data type"}]}`},
		"two actions on one item": {operation: "TransactWriteItems", body: `"TransactItems":[{"ConditionCheck":{"TableName":"TABLE",` + one + `,"ConditionExpression":"attribute_exists(n)"}},{"Delete":{"TableName":"TABLE",` + one + `}}]`,
			fails: validation + "Transaction request cannot include multiple operations on one item"},
		"an action that is two": {operation: "TransactWriteItems", body: `"TransactItems":[{"Delete":{"TableName":"TABLE",` + one + `},"Put":{"TableName":"TABLE","Item":{"pk":{"S":"a"},"sk":{"S":"1"}}}}]`,
			fails: validation + "TransactItems can only contain one of Check, Put, Update or Delete"},
		"a transaction that reads": {operation: "TransactGetItems", body: `"TransactItems":[{"Get":{"TableName":"TABLE",` + one + `,"ProjectionExpression":"n"}},{"Get":{"TableName":"TABLE",` + none + `}}]`,
			answer: `{"Responses":[{"Item":{"n":{"N":"5"}}},{}]}`},
		"a transaction on a table that is not there": {operation: "TransactWriteItems", body: `"TransactItems":[{"Delete":{"TableName":"nowhere",` + one + `}}]`,
			fails: exceptions + "ResourceNotFoundException: Requested resource not found"},

		// ---- batches ---------------------------------------------------------------------------------------------
		"a batch that reads": {operation: "BatchGetItem", body: `"RequestItems":{"TABLE":{"Keys":[{"pk":{"S":"a"},"sk":{"S":"3"}},{"pk":{"S":"b"},"sk":{"S":"3"}}]}}`,
			answer: `{"Responses":{"TABLE":[{"pk":{"S":"a"},"sk":{"S":"3"},"n":{"N":"70"}}]},"UnprocessedKeys":{}}`},
		"a batch that reads an item twice": {operation: "BatchGetItem", body: `"RequestItems":{"TABLE":{"Keys":[{"pk":{"S":"a"},"sk":{"S":"3"}},{"pk":{"S":"a"},"sk":{"S":"3"}}]}}`,
			fails: validation + "Provided list of item keys contains duplicates"},
		"a batch that writes an item twice": {operation: "BatchWriteItem", body: `"RequestItems":{"TABLE":[{"PutRequest":{"Item":{"pk":{"S":"a"},"sk":{"S":"3"}}}},{"DeleteRequest":{"Key":{"pk":{"S":"a"},"sk":{"S":"3"}}}}]}`,
			fails: validation + "Provided list of item keys contains duplicates"},
		"a batch of nothing": {operation: "BatchWriteItem", body: `"RequestItems":{}`,
			fails: validation + "1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1"},

		// ---- keys ------------------------------------------------------------------------------------------------
		"a key without its sort key":     {operation: "GetItem", body: `"Key":{"pk":{"S":"a"}}`, fails: validation + "The provided key element does not match the schema"},
		"a key with more than its key":   {operation: "GetItem", body: `"Key":{"pk":{"S":"a"},"sk":{"S":"1"},"n":{"S":"1"}}`, fails: validation + "The provided key element does not match the schema"},
		"a key of another type":          {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"N":"1"}}`, fails: validation + "One or more parameter values were invalid: Type mismatch for key sk expected: S actual: N"},
		"an item without its key":        {operation: "PutItem", body: `"Item":{"pk":{"S":"a"}}`, fails: validation + "One or more parameter values were invalid: Missing the key sk in the item"},
		"an empty key":                   {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":""}}`, fails: validation + "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: sk"},
		"an index key of another type":   {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"dueAt":{"S":"1"}}`, fails: validation + "One or more parameter values were invalid: Type mismatch for Index Key dueAt Expected: N Actual: S IndexName: due"},
		"an empty index key":             {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"shard":{"S":""}}`, fails: validation + "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: due, IndexKey: shard"},
		"an update of the key":           {operation: "UpdateItem", body: one + `,"UpdateExpression":"REMOVE sk"`, fails: validation + "One or more parameter values were invalid: Cannot update attribute sk. This attribute is part of the key"},
		"an update that breaks an index": {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET dueAt = s"`, fails: validation + "The update expression attempted to update the secondary index key to unsupported type"},
		"a hash key that is too long":    {operation: "GetItem", body: `"Key":{"pk":{"S":"` + strings.Repeat("x", 2049) + `"},"sk":{"S":"1"}}`, fails: validation + "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"},
		"a sort key that is too long":    {operation: "GetItem", body: `"Key":{"pk":{"S":"a"},"sk":{"S":"` + strings.Repeat("x", 1025) + `"}}`, fails: validation + "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes"},

		// ---- values ----------------------------------------------------------------------------------------------
		"an empty set":                      {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"x":{"SS":[]}}`, fails: validation + "One or more parameter values were invalid: An string set  may not be empty"},
		"a set with a member twice":         {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"x":{"NS":["1","1.0"]}}`, fails: validation + "Input collection contains duplicates"},
		"a value of no type":                {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"x":{}}`, fails: validation + "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
		"a value of two types":              {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"x":{"S":"1","N":"1"}}`, fails: validation + "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"},
		"a null that is false":              {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"x":{"NULL":false}}`, fails: validation + "One or more parameter values were invalid: Null attribute value types must have the value of true"},
		"an expression value of no type":    {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET x = :x",` + of + `{":x":{}}`, fails: validation + "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes for key :x"},
		"a number that is none":             {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"x":{"N":"1x"}}`, fails: validation + "The parameter cannot be converted to a numeric value: 1x"},
		"a number of 39 digits":             {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"x":{"N":"123456789012345678901234567890123456789"}}`, fails: validation + "Attempting to store more than 38 significant digits in a Number"},
		"a number that is too large":        {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"x":{"N":"-1e126"}}`, fails: validation + "Number overflow. Attempting to store a number with magnitude larger than supported range"},
		"a number that is too small":        {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"x":{"N":"1e-131"}}`, fails: validation + "Number underflow. Attempting to store a number with magnitude smaller than supported range"},
		"a sum that is too exact":           {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET n = :a + :b",` + of + `{":a":{"N":"1e20"},":b":{"N":"1e-20"}}`, fails: validation + "Attempting to store more than 38 significant digits in a Number"},
		"an item that is too large":         {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"x":{"S":"` + strings.Repeat("x", 400<<10-6) + `"}}`, fails: validation + "Item size has exceeded the maximum allowed size"},
		"an item that is just small enough": {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"},"x":{"S":"` + strings.Repeat("x", 400<<10-7) + `"}}`, answer: `{}`},
		"an item that grows too large":      {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET x = :x",` + of + `{":x":{"S":"` + strings.Repeat("x", 400<<10-7) + `"}}`, fails: validation + "Item size to update has exceeded the maximum allowed size"},

		// ---- expressions -----------------------------------------------------------------------------------------
		"an empty expression":                   {operation: "DeleteItem", body: one + `,"ConditionExpression":""`, fails: validation + "Invalid ConditionExpression: The expression can not be empty;"},
		"an expression that ends":               {operation: "DeleteItem", body: one + `,"ConditionExpression":"a = "`, fails: validation + `Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "= "`},
		"an expression that errs":               {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET a = = b"`, fails: validation + `Invalid UpdateExpression: Syntax error; token: "=", near: "= = b"`},
		"redundant parentheses":                 {operation: "DeleteItem", body: one + `,"ConditionExpression":"NOT ((a = b))"`, fails: validation + "Invalid ConditionExpression: The expression has redundant parentheses;"},
		"a reserved word":                       {operation: "GetItem", body: one + `,"ProjectionExpression":"m.Name"`, fails: validation + "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: Name"},
		"an undefined name":                     {operation: "DeleteItem", body: one + `,"ConditionExpression":"#x = b"`, fails: validation + "Invalid ConditionExpression: An expression attribute name used in the document path is not defined; attribute name: #x"},
		"an undefined value":                    {operation: "UpdateItem", body: one + `,"UpdateExpression":"ADD a :x"`, fails: validation + "Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute value: :x"},
		"an unused value":                       {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET a = :x",` + of + `{":x":{"S":"1"},":y":{"S":"1"}}`, fails: validation + "Value provided in ExpressionAttributeValues unused in expressions: keys: {:y}"},
		"an unused name":                        {operation: "GetItem", body: one + `,"ProjectionExpression":"n","ExpressionAttributeNames":{"#n":"n"}`, fails: validation + "Value provided in ExpressionAttributeNames unused in expressions: keys: {#n}"},
		"a misnamed name":                       {operation: "GetItem", body: one + `,"ProjectionExpression":"n","ExpressionAttributeNames":{"n":"n"}`, fails: validation + `ExpressionAttributeNames contains invalid key: Syntax error; key: "n"`},
		"no names":                              {operation: "GetItem", body: one + `,"ProjectionExpression":"n","ExpressionAttributeNames":{}`, fails: validation + "ExpressionAttributeNames must not be empty"},
		"names without expressions":             {operation: "GetItem", body: one + `,"ExpressionAttributeNames":{"#n":"n"}`, fails: validation + "ExpressionAttributeNames can only be specified when using expressions"},
		"overlapping paths":                     {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET m.x = n REMOVE m"`, fails: validation + "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m, x], path two: [m]"},
		"conflicting paths":                     {operation: "GetItem", body: one + `,"ProjectionExpression":"m.x, m[0]"`, fails: validation + "Invalid ProjectionExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [m, x], path two: [m, [0]]"},
		"a section twice":                       {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET a = n SET b = n"`, fails: validation + `Invalid UpdateExpression: The "SET" section can only be used once in an update expression;`},
		"an unknown function":                   {operation: "DeleteItem", body: one + `,"ConditionExpression":"exists(a)"`, fails: validation + "Invalid ConditionExpression: Invalid function name; function: exists"},
		"a function that is no condition":       {operation: "DeleteItem", body: one + `,"ConditionExpression":"size(a)"`, fails: validation + "Invalid ConditionExpression: The function is not allowed to be used this way in an expression; function: size"},
		"a function of updates in a condition":  {operation: "DeleteItem", body: one + `,"ConditionExpression":"if_not_exists(a, b) = b"`, fails: validation + "Invalid ConditionExpression: The function is not allowed in a condition expression; function: if_not_exists"},
		"a function of conditions in an update": {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET a = size(b)"`, fails: validation + "Invalid UpdateExpression: The function is not allowed in an update expression; function: size"},
		"too few operands":                      {operation: "DeleteItem", body: one + `,"ConditionExpression":"contains(a)"`, fails: validation + "Invalid ConditionExpression: Incorrect number of operands for operator or function; operator or function: contains, number of operands: 1"},
		"an operand of the wrong type":          {operation: "DeleteItem", body: one + `,"ConditionExpression":"begins_with(a, :n)",` + of + `{":n":{"N":"1"}}`, fails: validation + "Invalid ConditionExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"},
		"bounds the wrong way":                  {operation: "DeleteItem", body: one + `,"ConditionExpression":"n BETWEEN :h AND :l",` + of + `{":h":{"N":"10"},":l":{"N":"9"}}`, fails: validation + "Invalid ConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:10}, upper bound operand: AttributeValue: {N:9}"},
		"a comparison with itself":              {operation: "DeleteItem", body: one + `,"ConditionExpression":"n <> n"`, fails: validation + "Invalid ConditionExpression: The first operand must be distinct from the remaining operands for this operator or function; operator: <>, first operand: [n]"},
		"ADD of a string":                       {operation: "UpdateItem", body: one + `,"UpdateExpression":"ADD a :s",` + of + `{":s":{"S":"1"}}`, fails: validation + "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"},
		"ADD to a string":                       {operation: "UpdateItem", body: one + `,"UpdateExpression":"ADD s :n",` + of + `{":n":{"N":"1"}}`, fails: validation + "An operand in the update expression has an incorrect data type"},
		"an attribute that is not there":        {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET a = nothing"`, fails: validation + "The provided expression refers to an attribute that does not exist in the item"},
		"a path that is not there":              {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET nothing.a = n"`, fails: validation + "The document path provided in the update expression is invalid for update"},

		"a size is counted in UTF-16": {operation: "UpdateItem", body: none + `,"UpdateExpression":"SET n = :n","ConditionExpression":"size(:s) = :n",` + of + `{":s":{"S":"é😀a"},":n":{"N":"4"}}`, answer: `{}`},
		"values without expressions":  {operation: "UpdateItem", body: one + `,` + of + `{":x":{"S":"1"}}`, fails: validation + "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are null"},
		"too long an expression":      {operation: "DeleteItem", body: one + `,"ConditionExpression":"n = m` + strings.Repeat(" ", 4092) + `"`, fails: validation + "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 4097"},
		"too many operators":          {operation: "DeleteItem", body: one + `,"ConditionExpression":"a = b` + strings.Repeat(" OR a = b", 150) + `"`, fails: validation + "Invalid ConditionExpression: The expression contains too many operators; operator count: 301"},
		"too long a list":             {operation: "DeleteItem", body: one + `,"ConditionExpression":"n IN (m` + strings.Repeat(", m", 100) + `)"`, fails: validation + "Invalid ConditionExpression: The IN operator is provided with too many operands; number of operands: 101"},
		"too deep a value":            {operation: "UpdateItem", body: one + `,"UpdateExpression":"SET q = :q",` + of + `{":q":` + strings.Repeat(`{"L":[`, 32) + `{"S":"x"}` + strings.Repeat(`]}`, 32) + `}`, fails: validation + "ExpressionAttributeValues contains invalid value: Nesting Levels have exceeded supported limits for key :q"},

		// ---- queries that are refused ----------------------------------------------------------------------------
		"a query without a hash key":         {operation: "Query", body: `"KeyConditionExpression":"sk = :p",` + of + `{":p":{"S":"a"}}`, fails: validation + "Query condition missed key schema element: pk"},
		"a query of many partitions":         {operation: "Query", body: `"KeyConditionExpression":"pk > :p",` + of + `{":p":{"S":"a"}}`, fails: validation + "Query key condition not supported"},
		"a query by something else":          {operation: "Query", body: `"KeyConditionExpression":"pk = :p AND n = :p",` + of + `{":p":{"S":"a"}}`, fails: validation + "Query condition missed key schema element: sk"},
		"a query with OR":                    {operation: "Query", body: `"KeyConditionExpression":"pk = :p OR sk = :p",` + of + `{":p":{"S":"a"}}`, fails: validation + "Invalid operator used in KeyConditionExpression: OR"},
		"a query with two conditions on one": {operation: "Query", body: `"KeyConditionExpression":"pk = :p AND pk = :p",` + of + `{":p":{"S":"a"}}`, fails: validation + "KeyConditionExpressions must only contain one condition per key"},
		"a query by a key of another type":   {operation: "Query", body: `"KeyConditionExpression":"pk = :p",` + of + `{":p":{"N":"1"}}`, fails: validation + "One or more parameter values were invalid: Condition parameter type does not match schema type"},
		"a query by nothing":                 {operation: "Query", body: `"Limit":1`, fails: validation + "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."},
		"a filter on the key":                {operation: "Query", body: inA + `,"FilterExpression":"sk = n"`, fails: validation + "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"},
		"a consistent read of an index":      {operation: "Query", body: inDue + `,"ConsistentRead":true`, fails: validation + "Consistent reads are not supported on global secondary indexes"},
		"an index that is not there":         {operation: "Query", body: strings.Replace(inDue, "due", "none", 1), fails: validation + "The table does not have the specified index: none"},
		"all of an index of keys":            {operation: "Query", body: inDue + `,"Select":"ALL_ATTRIBUTES"`, fails: validation + "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index due because its projection type is not ALL"},
		"more of an index of keys":           {operation: "Query", body: inDue + `,"ProjectionExpression":"n"`, fails: validation + "One or more parameter values were invalid: Global secondary index due does not project [n]"},
		"a limit of zero":                    {operation: "Query", body: inA + `,"Limit":0`, fails: validation + "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		"a start in another partition":       {operation: "Query", body: inA + `,"ExclusiveStartKey":{"pk":{"S":"b"},"sk":{"S":"1"}}`, fails: validation + "The provided starting key is outside query boundaries based on provided conditions"},
		"a start without the index key":      {operation: "Query", body: inDue + `,"ExclusiveStartKey":{"pk":{"S":"a"},"sk":{"S":"1"}}`, fails: validation + "The provided starting key is invalid"},

		// ---- what is not there -----------------------------------------------------------------------------------
		"a table that is not there": {operation: "GetItem", body: `"TableName":"nowhere",` + one, fails: exceptions + "ResourceNotFoundException: Requested resource not found"},
		"a name that is no name":    {operation: "GetItem", body: `"TableName":"no where",` + one, fails: validation + "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'"},
		"a return value of updates": {operation: "PutItem", body: `"Item":{"pk":{"S":"a"},"sk":{"S":"1"}},"ReturnValues":"ALL_NEW"`, fails: validation + "Return values set to invalid value"},
		"an unknown choice":         {operation: "GetItem", body: one + `,"ReturnConsumedCapacity":"SOME"`, fails: validation + "1 validation error detected: Value 'SOME' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"},
		"an unknown parameter":      {operation: "GetItem", body: one + `,"Consistent":true`, fails: validation + "not in this emulator: the parameter Consistent"},
		"a legacy parameter":        {operation: "DeleteItem", body: one + `,"Expected":{}`, fails: validation + "not in this emulator: the parameter Expected"},
		"a number for a string":     {operation: "GetItem", body: `"TableName":5,` + one, fails: "com.amazon.coral.service#SerializationException: NUMBER_VALUE cannot be converted to String"},
		"an operation too many":     {operation: "Scan", body: `"Limit":1`, fails: `com.amazon.coral.service#UnknownOperationException: this emulator of DynamoDB has no operation POST "DynamoDB_20120810.Scan"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if why, strays := strays[name]; strays && reference != "" {
				t.Skip("DynamoDB Local differs: " + why)
			}
			endpoint := under(t)
			table := newTable(t, endpoint)
			for _, item := range seeds {
				callRaw(t, endpoint, "PutItem", []byte(`{"TableName":"`+table+`","Item":`+item+`}`))
			}
			body := strings.ReplaceAll(tc.body, "TABLE", table)
			if !strings.Contains(body, "TableName") && !strings.Contains(body, "RequestItems") {
				body = `"TableName":"` + table + `",` + body
			}
			got := callRaw(t, endpoint, tc.operation, []byte("{"+body+"}"))
			want := object{}
			if kind, message, failed := strings.Cut(tc.fails, ": "); failed {
				want["__type"], want["message"] = kind, message
			} else if err := json.Unmarshal([]byte(strings.ReplaceAll(tc.answer, "TABLE", table)), &want); err != nil {
				t.Fatal(err)
			}
			if reference != "" {
				normalise(got)
				normalise(want)
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func client(endpoint string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

func attributeKey(pk, sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}}
}

// TestClient does through AWS's client what the raw requests of TestAnswers cannot show: that it understands the answers.
func TestClient(t *testing.T) {
	t.Parallel()
	endpoint := under(t)
	table, db, ctx := newTable(t, endpoint), client(endpoint), t.Context()

	item := attributeKey("a", "1")
	item["binary"] = &types.AttributeValueMemberB{Value: []byte{0, 255, 1}}
	item["nested"] = &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"<&>": &types.AttributeValueMemberL{Value: []types.AttributeValue{
		&types.AttributeValueMemberBOOL{Value: true}, &types.AttributeValueMemberNULL{Value: true}, &types.AttributeValueMemberS{Value: "\u2028\"é"}}}}}
	item["binaries"] = &types.AttributeValueMemberBS{Value: [][]byte{{1}, {2}}}
	if _, err := db.PutItem(ctx, &sdk.PutItemInput{TableName: &table, Item: item}); err != nil {
		t.Fatal(err)
	}
	out, err := db.GetItem(ctx, &sdk.GetItemInput{TableName: &table, Key: attributeKey("a", "1"), ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(item, out.Item, cmpopts.IgnoreUnexported(types.AttributeValueMemberS{}, types.AttributeValueMemberB{}, types.AttributeValueMemberM{}, types.AttributeValueMemberL{},
		types.AttributeValueMemberBOOL{}, types.AttributeValueMemberNULL{}, types.AttributeValueMemberBS{})); diff != "" {
		t.Errorf("item (-put +got):\n%s", diff)
	}

	_, err = db.UpdateItem(ctx, &sdk.UpdateItemInput{TableName: &table, Key: attributeKey("a", "1"), UpdateExpression: aws.String("REMOVE binaries"),
		ConditionExpression: aws.String("attribute_not_exists(pk)"), ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) || len(failed.Item) != len(item) {
		t.Errorf("update: %v, want a failed condition that shows the item", err)
	}

	_, err = db.TransactWriteItems(ctx, &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Delete: &types.Delete{TableName: &table, Key: attributeKey("a", "2")}},
		{ConditionCheck: &types.ConditionCheck{TableName: &table, Key: attributeKey("a", "1"), ConditionExpression: aws.String("attribute_not_exists(pk)"),
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}},
	}})
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) || len(cancelled.CancellationReasons) != 2 {
		t.Fatalf("transaction: %v, want it cancelled for two reasons", err)
	}
	if r := cancelled.CancellationReasons[1]; *r.Code != "ConditionalCheckFailed" || len(r.Item) != len(item) {
		t.Errorf("reason = %s with %d attributes, want a failed condition that shows the item", *r.Code, len(r.Item))
	}

	_, err = db.DescribeTable(ctx, &sdk.DescribeTableInput{TableName: aws.String("nowhere")})
	if absent := (*types.ResourceNotFoundException)(nil); !errors.As(err, &absent) {
		t.Errorf("DescribeTable: %v, want ResourceNotFoundException", err)
	}
	_, err = db.GetItem(ctx, &sdk.GetItemInput{TableName: &table, Key: attributeKey("", "1")})
	if refused := (smithy.APIError)(nil); !errors.As(err, &refused) || refused.ErrorCode() != "ValidationException" || refused.ErrorMessage() == "" {
		t.Errorf("GetItem: %v, want ValidationException with a message", err)
	}
}

// TestPages writes more than a query may read at once, and follows it to its end.
func TestPages(t *testing.T) {
	t.Parallel()
	endpoint := under(t)
	table, db, ctx := newTable(t, endpoint), client(endpoint), t.Context()
	for i := range 5 {
		item := attributeKey("a", strconv.Itoa(i))
		item["x"] = &types.AttributeValueMemberS{Value: strings.Repeat("x", 300<<10)}
		if _, err := db.PutItem(ctx, &sdk.PutItemInput{TableName: &table, Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	pages := sdk.NewQueryPaginator(db, &sdk.QueryInput{TableName: &table, KeyConditionExpression: aws.String("pk = :p"), ProjectionExpression: aws.String("sk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: "a"}}})
	var got []int32
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.Count)
	}
	if want := []int32{4, 1}; !slices.Equal(got, want) { // the fourth item goes over a megabyte
		t.Errorf("items by page = %v, want %v", got, want)
	}
}

// TestTransactionsAreSerialisable moves amounts between accounts from many sides at once.
func TestTransactionsAreSerialisable(t *testing.T) {
	t.Parallel()
	endpoint := under(t)
	table, db, ctx := newTable(t, endpoint), client(endpoint), t.Context()
	const accounts, movers, moves = 4, 8, 25
	amount := func(n int) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{":n": &types.AttributeValueMemberN{Value: strconv.Itoa(n)}}
	}
	var crowd sync.WaitGroup
	for mover := range movers {
		crowd.Go(func() {
			for i := range moves {
				from, to := mover%accounts, (mover+i%3+1)%accounts
				_, err := db.TransactWriteItems(ctx, &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
					{Update: &types.Update{TableName: &table, Key: attributeKey("account", strconv.Itoa(from)), UpdateExpression: aws.String("ADD n :n"), ExpressionAttributeValues: amount(-i)}},
					{Update: &types.Update{TableName: &table, Key: attributeKey("account", strconv.Itoa(to)), UpdateExpression: aws.String("ADD n :n"), ExpressionAttributeValues: amount(i)}},
				}})
				if conflict := (*types.TransactionCanceledException)(nil); err != nil && !errors.As(err, &conflict) {
					t.Error(err)
				}
				sum(t, db, table, accounts)
			}
		})
	}
	crowd.Wait()
}

// sum reads all accounts in one transaction and wants that nothing was lost or made.
func sum(t *testing.T, db *sdk.Client, table string, accounts int) {
	var gets []types.TransactGetItem
	for i := range accounts {
		gets = append(gets, types.TransactGetItem{Get: &types.Get{TableName: &table, Key: attributeKey("account", strconv.Itoa(i))}})
	}
	out, err := db.TransactGetItems(t.Context(), &sdk.TransactGetItemsInput{TransactItems: gets})
	if conflict := (*types.TransactionCanceledException)(nil); errors.As(err, &conflict) {
		return // DynamoDB may refuse to read while somebody writes
	}
	if err != nil {
		t.Error(err)
		return
	}
	total := 0
	for _, r := range out.Responses {
		if n, ok := r.Item["n"].(*types.AttributeValueMemberN); ok {
			one, err := strconv.Atoi(n.Value)
			if err != nil {
				t.Error(err)
			}
			total += one
		}
	}
	if total != 0 {
		t.Errorf("all accounts together have %d, want 0", total)
	}
}
