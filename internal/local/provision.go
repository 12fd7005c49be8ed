package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secretstypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/referralbridge/referralbridge/internal/local/template"
)

// Region is where everything is.
const Region = "us-east-1"

// Operator is the access key of what the stack itself asks of AWS: creating resources and polling queues.
const Operator = "operator"

// endpoint is an AWS that is asked as the operator.
type endpoint struct {
	dynamodb *dynamodb.Client
	sqs      *sqs.Client
	secrets  *secretsmanager.Client
}

func connect(ctx context.Context, o Options) (*endpoint, error) {
	key, secret := o.AccessKey, o.SecretKey
	if key == "" {
		key, secret = Operator, Operator
	}
	c, err := config.LoadDefaultConfig(ctx, config.WithRegion(Region), config.WithBaseEndpoint(o.AWSEndpoint),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(key, secret, "")))
	if err != nil {
		return nil, err
	}
	table := dynamodb.NewFromConfig(c, func(to *dynamodb.Options) {
		if o.TableEndpoint != "" {
			to.BaseEndpoint = &o.TableEndpoint
		}
	})
	return &endpoint{table, sqs.NewFromConfig(c), secretsmanager.NewFromConfig(c)}, nil
}

// provision makes what the model says exist, and returns what each thing is really called. names are what they were
// expected to be called. What exists already is kept.
func (e *endpoint) provision(ctx context.Context, m *template.Model, names map[string]template.Physical, secrets map[string]string) (map[string]template.Physical, error) {
	physical := maps.Clone(names)
	for _, id := range slices.Sorted(maps.Keys(m.Tables)) {
		p, err := e.table(ctx, names[id].Name, m.Tables[id])
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", id, err)
		}
		physical[id] = p
	}
	for _, id := range slices.Sorted(maps.Keys(m.Queues)) {
		p, err := e.queue(ctx, names[id].Name)
		if err != nil {
			return nil, fmt.Errorf("queue %s: %w", id, err)
		}
		physical[id] = p
	}
	for id, queue := range m.Queues { // all of them exist now, so that they can refer to each other
		if err := e.configure(ctx, queue, physical[id].Ref, physical[queue.DeadLetter].Attributes["Arn"]); err != nil {
			return nil, fmt.Errorf("queue %s: %w", id, err)
		}
	}
	for _, id := range m.Secrets {
		p, err := e.secret(ctx, names[id].Name, secrets[id])
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", id, err)
		}
		physical[id] = p
	}
	return physical, nil
}

func (e *endpoint) table(ctx context.Context, name string, t *template.Table) (template.Physical, error) {
	schema := func(k template.Key) []dynamodbtypes.KeySchemaElement {
		s := []dynamodbtypes.KeySchemaElement{{AttributeName: &k.Hash, KeyType: dynamodbtypes.KeyTypeHash}}
		if k.Range != "" {
			s = append(s, dynamodbtypes.KeySchemaElement{AttributeName: &k.Range, KeyType: dynamodbtypes.KeyTypeRange})
		}
		return s
	}
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: dynamodbtypes.BillingModePayPerRequest, KeySchema: schema(t.Key)}
	for attribute, kind := range t.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, dynamodbtypes.AttributeDefinition{
			AttributeName: &attribute, AttributeType: dynamodbtypes.ScalarAttributeType(kind),
		})
	}
	for _, index := range t.Indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, dynamodbtypes.GlobalSecondaryIndex{
			IndexName: &index.Name, KeySchema: schema(index.Key),
			Projection: &dynamodbtypes.Projection{ProjectionType: dynamodbtypes.ProjectionType(index.Projection)},
		})
	}
	_, err := e.dynamodb.CreateTable(ctx, in)
	if exists := (*dynamodbtypes.ResourceInUseException)(nil); err != nil && !errors.As(err, &exists) {
		return template.Physical{}, err
	}
	if err := dynamodb.NewTableExistsWaiter(e.dynamodb, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay = 100 * time.Millisecond
	}).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, time.Minute); err != nil {
		return template.Physical{}, err
	}
	out, err := e.dynamodb.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil {
		return template.Physical{}, err
	}
	if differs(out.Table, in) {
		return template.Physical{}, errors.New("it exists with other keys or indexes than the template's: delete it first (make clean)")
	}
	if t.Expires != "" {
		if err := e.expire(ctx, name, t.Expires); err != nil {
			return template.Physical{}, err
		}
	}
	return template.Physical{Name: name, Ref: name, Attributes: map[string]string{"Arn": *out.Table.TableArn}}, nil
}

func differs(is *dynamodbtypes.TableDescription, want *dynamodb.CreateTableInput) bool {
	shape := func(s []dynamodbtypes.KeySchemaElement) string {
		text := ""
		for _, k := range s {
			text += string(k.KeyType) + " " + *k.AttributeName + " "
		}
		return text
	}
	indexes := map[string]string{}
	for _, index := range is.GlobalSecondaryIndexes {
		indexes[*index.IndexName] = shape(index.KeySchema)
	}
	for _, index := range want.GlobalSecondaryIndexes {
		if indexes[*index.IndexName] != shape(index.KeySchema) {
			return true
		}
	}
	return shape(is.KeySchema) != shape(want.KeySchema) || len(indexes) != len(want.GlobalSecondaryIndexes)
}

func (e *endpoint) expire(ctx context.Context, table, attribute string) error {
	out, err := e.dynamodb.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil {
		return err
	}
	if is := out.TimeToLiveDescription; is != nil && is.AttributeName != nil && *is.AttributeName == attribute {
		return nil
	}
	enabled := true
	_, err = e.dynamodb.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &table,
		TimeToLiveSpecification: &dynamodbtypes.TimeToLiveSpecification{AttributeName: &attribute, Enabled: &enabled},
	})
	return err
}

func (e *endpoint) queue(ctx context.Context, name string) (template.Physical, error) {
	made, err := e.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
	if exists := (*types.QueueNameExists)(nil); errors.As(err, &exists) {
		var found *sqs.GetQueueUrlOutput
		if found, err = e.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name}); err == nil {
			made = &sqs.CreateQueueOutput{QueueUrl: found.QueueUrl}
		}
	}
	if err != nil {
		return template.Physical{}, err
	}
	out, err := e.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: made.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return template.Physical{}, err
	}
	arn := out.Attributes[string(types.QueueAttributeNameQueueArn)]
	return template.Physical{Name: name, Ref: *made.QueueUrl, Attributes: map[string]string{"Arn": arn, "QueueName": name}}, nil
}

// configure gives an existing queue its attributes. deadLetterARN is empty if it has no dead-letter queue.
func (e *endpoint) configure(ctx context.Context, q *template.Queue, queueURL, deadLetterARN string) error {
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	attributes := map[string]string{
		string(types.QueueAttributeNameVisibilityTimeout):      seconds(q.Visibility),
		string(types.QueueAttributeNameMessageRetentionPeriod): seconds(q.Retention),
		string(types.QueueAttributeNameDelaySeconds):           seconds(q.Delay),
	}
	if q.DeadLetter != "" {
		policy, err := json.Marshal(map[string]any{"deadLetterTargetArn": deadLetterARN, "maxReceiveCount": q.MaxReceives})
		if err != nil {
			return err
		}
		attributes[string(types.QueueAttributeNameRedrivePolicy)] = string(policy)
	}
	_, err := e.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &queueURL, Attributes: attributes})
	return err
}

// secret gives a secret its value, unless it has it already.
func (e *endpoint) secret(ctx context.Context, name, value string) (template.Physical, error) {
	made, err := e.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value})
	if err == nil {
		return template.Physical{Name: name, Ref: *made.ARN}, nil
	}
	if exists := (*secretstypes.ResourceExistsException)(nil); !errors.As(err, &exists) {
		return template.Physical{}, err
	}
	is, err := e.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		return template.Physical{}, err
	}
	if is.SecretString == nil || *is.SecretString != value {
		if _, err := e.secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &value}); err != nil {
			return template.Physical{}, err
		}
	}
	return template.Physical{Name: name, Ref: *is.ARN}, nil
}

// messages returns how many messages a queue has, visible or not.
func (e *endpoint) messages(ctx context.Context, queueURL string) (int, error) {
	names := []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	}
	out, err := e.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queueURL, AttributeNames: names})
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, name := range names {
		n, err := strconv.Atoi(out.Attributes[string(name)])
		if err != nil {
			return 0, fmt.Errorf("%s of %s: %w", name, queueURL, err)
		}
		sum += n
	}
	return sum, nil
}
