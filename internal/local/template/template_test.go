package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// small is a template with a bit of everything. Tests add lines at its end, below Resources.
const small = `
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: { Type: String, Default: dev, AllowedValues: [dev, prod] }
  BaseUrl: { Type: String, AllowedPattern: 'https?://[^/]+' }
  Window: { Type: Number, Default: 3600, MinValue: 10, MaxValue: 7200 }
  Issuer: { Type: String, Default: '' }
Conditions:
  Own: !Not [!Equals [!Ref Issuer, '']]
  Plain: { Fn::Not: [{ Condition: Own }] }
  Both: !And [!Condition Own, !Equals [!Ref Stage, prod]]
  Either: !Or [!Condition Own, !Equals [!Ref Stage, dev]]
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    Timeout: 15
    Environment: { Variables: { STAGE: !Ref Stage, TABLE: !Ref Table } }
Resources:
  Api: { Type: AWS::Serverless::HttpApi, Properties: { StageName: $default } }
  Users: { Type: AWS::Cognito::UserPool }
  Secret: { Type: AWS::SecretsManager::Secret }
  Dead: { Type: AWS::SQS::Queue }
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 360
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5 }
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - { AttributeName: pk, AttributeType: S }
        - { AttributeName: due, AttributeType: N }
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      GlobalSecondaryIndexes:
        - IndexName: due
          KeySchema: [{ AttributeName: pk, KeyType: HASH }, { AttributeName: due, KeyType: RANGE }]
          Projection: { ProjectionType: KEYS_ONLY }
      TimeToLiveSpecification: { AttributeName: expires, Enabled: true }
  DoItAllFunction:
    Type: AWS::Serverless::Function
    Properties:
      MemorySize: 256
      ReservedConcurrentExecutions: 20
      Environment:
        Variables:
          STAGE: !Join ['-', [stage, !Ref Stage]]
          ISSUER: !If [Own, !Ref Issuer, !Sub 'https://issuer.${AWS::Region}.${AWS::URLSuffix}/${!raw}/${Stage}']
          NEVER: !If [Own, !Ref Users, '']
          PLAIN: !If [Plain, 'yes', 'no']
          BOTH: !If [Both, 'yes', 'no']
          EITHER: !If [Either, 'yes', 'no']
          QUEUE: { Ref: Jobs }
          ARNS: { Fn::Sub: ['${Jobs.Arn} ${mine}', { mine: { Fn::GetAtt: [Table, Arn] } }] }
          SECRET: !Ref Secret
          SELF: !Ref OtherFunction
      Policies:
        - Statement:
            - { Effect: Allow, Action: 'dynamodb:*Item', Resource: !GetAtt Table.Arn }
            - { Effect: Deny, Action: [dynamodb:DeleteItem], Resource: '*' }
      Events:
        Home: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: get, Path: / } }
        Rest: { Type: HttpApi }
        Work:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: 100
            MaximumBatchingWindowInSeconds: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: 2 }
        Tick:
          Type: ScheduleV2
          Properties: { ScheduleExpression: rate(5 minutes), Input: '{"a":1}', DeadLetterConfig: { Arn: !GetAtt Dead.Arn } }
  OtherFunction: { Type: AWS::Serverless::Function, Properties: { Role: !GetAtt OtherRole.Arn } }
  OtherLog: { Type: AWS::Logs::LogGroup }
  OtherRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {}
      ManagedPolicyArns: [!Ref Everybody]
      Policies:
        - PolicyName: own
          PolicyDocument:
            Statement:
              - { Effect: Allow, Action: logs:PutLogEvents, Resource: !GetAtt OtherLog.Arn }
              - !If [Own, { Effect: Allow, Action: '*', Resource: '*' }, !Ref AWS::NoValue]
  Everybody:
    Type: AWS::IAM::ManagedPolicy
    Properties: { PolicyDocument: { Statement: [{ Effect: Allow, Action: xray:PutTraceSegments, Resource: '*' }] } }
`

func model(t *testing.T, text string, parameters map[string]string) (*Model, error) {
	t.Helper()
	tmpl, err := Parse("template.yaml", []byte(text))
	if err != nil {
		return nil, err
	}
	in := Input{Parameters: map[string]string{"BaseUrl": "http://127.0.0.1:8000"}, Region: "us-east-1", Account: "000000000000"}
	maps.Copy(in.Parameters, parameters)
	in.Physical = tmpl.Names("t", in.Region, in.Account, "http://aws")
	return tmpl.Model(in)
}

func TestModel(t *testing.T) {
	t.Parallel()
	got, err := model(t, small, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &Function{
		Folder: "do-it-all", Timeout: 15 * time.Second, Memory: 256, Reserved: 20,
		Environment: map[string]string{
			"STAGE": "stage-dev", "TABLE": "t-Table", "NEVER": "", "PLAIN": "yes", "BOTH": "no", "EITHER": "yes",
			"ISSUER": "https://issuer.us-east-1.amazonaws.com/${raw}/dev", "QUEUE": "http://aws/000000000000/t-Jobs",
			"ARNS":   "arn:aws:sqs:us-east-1:000000000000:t-Jobs arn:aws:dynamodb:us-east-1:000000000000:table/t-Table",
			"SECRET": "arn:aws:secretsmanager:us-east-1:000000000000:secret:t-Secret", "SELF": "t-OtherFunction",
		},
		Statements: []Statement{
			{Allow: true, Actions: []string{"dynamodb:*item"}, Resources: []string{"arn:aws:dynamodb:us-east-1:000000000000:table/t-Table"}},
			{Actions: []string{"dynamodb:deleteitem"}, Resources: []string{"*"}},
		},
		Routes:    []Route{{Method: "GET", Path: "/"}, {Method: "ANY", Path: "$default"}},
		Mappings:  []Mapping{{Queue: "Jobs", BatchSize: 100, Window: 5 * time.Second, Concurrency: 2, PartialFailures: true}},
		Schedules: []Schedule{{Every: 5 * time.Minute, Input: `{"a":1}`, DeadLetter: "Dead"}},
	}
	ignoreLines := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Line" }, cmp.Ignore())
	if diff := cmp.Diff(got.Functions["DoItAllFunction"], want, ignoreLines); diff != "" {
		t.Errorf("function, got before want:\n%s", diff)
	}
	if diff := cmp.Diff(got.Queues["Jobs"], &Queue{
		Visibility: 6 * time.Minute, Retention: 96 * time.Hour, DeadLetter: "Dead", MaxReceives: 5,
	}, ignoreLines); diff != "" {
		t.Errorf("queue, got before want:\n%s", diff)
	}
	if diff := cmp.Diff(got.Tables["Table"], &Table{
		Attributes: map[string]string{"pk": "S", "due": "N"}, Key: Key{Hash: "pk"}, Expires: "expires",
		Indexes: []Index{{Name: "due", Key: Key{"pk", "due"}, Projection: "KEYS_ONLY"}},
	}, ignoreLines); diff != "" {
		t.Errorf("table, got before want:\n%s", diff)
	}
	if other := got.Functions["OtherFunction"]; other.Folder != "other" || other.Environment["STAGE"] != "dev" || other.Memory != 128 {
		t.Errorf("other function = %+v, want the globals and the defaults", other)
	}
	if diff := cmp.Diff(got.Functions["OtherFunction"].Statements, []Statement{
		{Allow: true, Actions: []string{"logs:putlogevents"}, Resources: []string{"arn:aws:logs:us-east-1:000000000000:log-group:t-OtherLog:*"}},
		{Allow: true, Actions: []string{"xray:puttracesegments"}, Resources: []string{"*"}},
	}); diff != "" {
		t.Errorf("statements of a role, got before want:\n%s", diff)
	}
	if !slices.Equal(got.Secrets, []string{"Secret"}) {
		t.Errorf("secrets = %q", got.Secrets)
	}
}

func TestAllows(t *testing.T) {
	t.Parallel()
	m, err := model(t, small, nil)
	if err != nil {
		t.Fatal(err)
	}
	const table = "arn:aws:dynamodb:us-east-1:000000000000:table/t-Table"
	for name, tc := range map[string]struct {
		action, resource string
		want             bool
	}{
		"what a pattern says":     {"dynamodb:PutItem", table, true},
		"another action":          {"dynamodb:Query", table, false},
		"another resource":        {"dynamodb:PutItem", table + "2", false},
		"what is denied as well":  {"dynamodb:DeleteItem", table, false},
		"the end of an action":    {"dynamodb:PutItems", table, false},
		"another service's items": {"sqs:PutItem", table, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := m.Functions["DoItAllFunction"].Allows(tc.action, tc.resource); got != tc.want {
				t.Errorf("allowed = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		old, with  string // replaced in small; added at the end if old is empty
		parameters map[string]string
		want       string
		at         string // in the line that the error names; empty for the first line that was changed
	}{
		"an intrinsic function":           {old: "!Ref Secret", with: "!Select [0, [a]]", want: "Fn::Select is not supported"},
		"its long form":                   {old: "!Ref Secret", with: "{ Fn::ImportValue: x }", want: "Fn::ImportValue is not supported"},
		"one in a place for a list":       {old: "[{ AttributeName: pk, KeyType: HASH }]\n", with: "!Split [a, b]\n", want: "Fn::Split is not supported"},
		"one in a condition":              {old: "!Equals [!Ref Stage, prod]", with: "!Contains [a, b]", want: "Fn::Contains is not supported in a condition"},
		"a resource type":                 {with: "  More: { Type: AWS::SNS::Topic }", want: "resource type AWS::SNS::Topic is not supported"},
		"a resource without a type":       {with: "  More: { Properties: {} }", want: "More has no Type"},
		"a property of a function":        {old: "MemorySize: 256", with: "FileSystemConfigs: {}", want: "AWS::Serverless::Function: FileSystemConfigs is not supported"},
		"a property of the globals":       {old: "    Timeout: 15", with: "    Layers: []", want: "Globals of functions: Layers is not supported"},
		"globals of other things":         {old: "Globals:\n", with: "Globals:\n  Api: {}\n", want: "Globals: Api is not supported"},
		"a property of a queue":           {old: "VisibilityTimeout: 360", with: "FifoQueue: true", want: "AWS::SQS::Queue: FifoQueue is not supported"},
		"a property of a table":           {old: "      TimeToLive", with: "      StreamSpecification: {}\n      TimeToLive", want: "AWS::DynamoDB::Table: StreamSpecification is not supported"},
		"a property of an event":          {old: "BatchSize: 100", with: "FilterCriteria: {}", want: "SQS: FilterCriteria is not supported"},
		"an authorizer":                   {old: "Method: get,", with: "Method: get, Auth: {},", want: "HttpApi: Auth is not supported"},
		"an event type":                   {old: "Type: HttpApi }", with: "Type: S3 }", want: "event type S3 is not supported"},
		"a section":                       {old: "Globals:", with: "Mappings: {}\nGlobals:", want: "template: Mappings is not supported"},
		"a role of somebody else's":       {old: "Role: !GetAtt OtherRole.Arn", with: "Role: 'arn:aws:iam::1:role/x'", want: "arn:aws:iam::1:role/x is no AWS::IAM::Role of this template"},
		"a policy of AWS's in a role":     {old: "[!Ref Everybody]", with: "['arn:aws:iam::aws:policy/ReadOnlyAccess']", want: "arn:aws:iam::aws:policy/ReadOnlyAccess is no AWS::IAM::ManagedPolicy of this template"},
		"something else in a role":        {old: "ManagedPolicyArns: [", with: "Path: /x/\n      ManagedPolicyArns: [", want: "AWS::IAM::Role: Path is not supported"},
		"a policy by name":                {old: "        - Statement:", with: "        - AmazonSQSFullAccess\n        - Statement:", want: "Policies: \"AmazonSQSFullAccess\" is not supported: write the statement out"},
		"a statement that does nothing":   {old: "Effect: Deny", with: "Effect: Perhaps", want: "Statement: Effect is neither Allow nor Deny"},
		"cron":                            {old: "rate(5 minutes)", with: "cron(0 3 * * ? *)", want: "schedule cron(0 3 * * ? *) is not supported"},
		"a rate in bad grammar":           {old: "rate(5 minutes)", with: "rate(5 minute)", want: "schedule rate(5 minute): wrong number"},
		"an alias without one":            {old: "Ref: Jobs", with: "Ref: DoItAllFunction.Alias", want: "DoItAllFunction has no alias: Globals of functions need AutoPublishAlias"},
		"an unknown name":                 {old: "Ref: Jobs", with: "Ref: Nobody", want: "there is no parameter or resource Nobody"},
		"a reference to what is not here": {parameters: map[string]string{"Issuer": "http://x"}, want: "Users is not there on one machine: it is a AWS::Cognito::UserPool", at: "NEVER"},
		"an unknown pseudo parameter":     {old: "${AWS::Region}", with: "${AWS::StackName}", want: "AWS::StackName is not supported"},
		"an unknown attribute":            {old: "!GetAtt Table.Arn", with: "!GetAtt Table.StreamArn", want: "attribute StreamArn of Table is not supported"},
		"a condition that is not there":   {old: "!If [Plain,", with: "!If [Fancy,", want: "there is no condition Fancy"},
		"a condition of itself":           {old: "{ Condition: Own }", with: "{ Condition: Plain }", want: "condition Plain depends on itself"},
		"a key that occurs twice":         {old: "VisibilityTimeout: 360", with: "VisibilityTimeout: 360\n      VisibilityTimeout: 1", want: "AWS::SQS::Queue: VisibilityTimeout occurs twice"},
		"an alias":                        {old: "Users: { Type: AWS::Cognito::UserPool }", with: "Users: &u { Type: AWS::Cognito::UserPool }\n  More: *u", want: "aliases are not supported", at: "More: *u"},
		"a number out of bounds":          {old: "MemorySize: 256", with: "MemorySize: 64", want: "\"64\" is not a whole number between 128 and 10240"},
		"another runtime":                 {old: "provided.al2023", with: "go1.x", want: "DoItAllFunction: a runtime other than provided.* is not supported", at: "  DoItAllFunction:"},
		"a function's name":               {with: "  Lonely: { Type: AWS::Serverless::Function }", want: "Lonely: the name of a function ends with Function"},
		"a queue that is none":            {old: "!GetAtt Jobs.Arn", with: "!GetAtt Table.Arn", want: "arn:aws:dynamodb:us-east-1:000000000000:table/t-Table is no AWS::SQS::Queue of this template"},
		"a large batch without a window":  {old: "BatchSize: 100\n            MaximumBatchingWindowInSeconds: 5", with: "BatchSize: 11", want: "SQS: a BatchSize over 10 needs MaximumBatchingWindowInSeconds of at least 1", at: "        Work:"},
		"a missing parameter":             {old: "Default: 3600, ", want: "parameter Window has no value"},
		"a value that is not allowed":     {parameters: map[string]string{"Stage": "test"}, want: "parameter Stage: \"test\" is not one of the allowed values", at: "  Stage: {"},
		"a value of the wrong form":       {parameters: map[string]string{"BaseUrl": "http://x/"}, want: "parameter BaseUrl: \"http://x/\" does not match https?://[^/]+", at: "  BaseUrl: {"},
		"a number that is none":           {parameters: map[string]string{"Window": "long"}, want: "parameter Window: \"long\" is not a number", at: "  Window: {"},
		"a number that is too small":      {parameters: map[string]string{"Window": "5"}, want: "parameter Window: 5 is less than 10", at: "  Window: {"},
		"an unknown parameter":            {parameters: map[string]string{"Color": "red"}, want: "there is no parameter Color"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := small
			if tc.old == "" && tc.with != "" {
				text += tc.with + "\n"
			} else if text = strings.Replace(small, tc.old, tc.with, 1); text == small && tc.old != "" {
				t.Fatalf("%q is not in the template", tc.old)
			}
			_, err := model(t, text, tc.parameters)
			want := fmt.Sprintf("template.yaml:%d: %s", line(text, tc.at), tc.want)
			if err == nil || !slices.Contains(strings.Split(err.Error(), "\n"), want) {
				t.Errorf("err = %v\nwant  %s", err, want)
			}
		})
	}
}

// line returns the number of the first line that contains at; without at that of the first line that is not in small. It
// is 1 if there is none.
func line(text, at string) int {
	if text == small && at == "" { // nothing was changed
		return 1
	}
	was := strings.Split(small, "\n")
	for i, line := range strings.Split(text, "\n") {
		if at != "" && strings.Contains(line, at) || at == "" && (i >= len(was) || line != was[i]) {
			return i + 1
		}
	}
	return 1
}

func TestProblemsAreSaidOnceInTheOrderOfLines(t *testing.T) {
	t.Parallel()
	_, err := model(t, strings.NewReplacer("MemorySize: 256", "Layers: []", "Timeout: 15", "FileSystemConfigs: {}").Replace(small), nil)
	want := []string{
		"template.yaml:17: Globals of functions: FileSystemConfigs is not supported",
		"template.yaml:45: AWS::Serverless::Function: Layers is not supported",
	}
	if err == nil || !slices.Equal(strings.Split(err.Error(), "\n"), want) {
		t.Errorf("err = %v, want %q in this order", err, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add("Resources: { A: { Type: AWS::SQS::Queue, Properties: { RedrivePolicy: !If [] } } }")
	f.Add("Resources: []")
	f.Add("- a")
	f.Add("")
	f.Add("Transform: !Sub [x\nResources: 1")
	f.Add("Conditions: { A: !Not [], B: { Condition: B } }\nResources: { A: { Type: AWS::Serverless::HttpApi, Condition: A } }")
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := Parse("fuzz.yaml", []byte(text))
		if err != nil {
			return
		}
		in := Input{Parameters: map[string]string{"BaseUrl": "http://x"}, Region: "r", Account: "0", Physical: tmpl.Names("t", "r", "0", "http://aws")}
		if m, err := tmpl.Model(in); err == nil && m == nil {
			t.Error("neither a model nor an error")
		}
	})
}
