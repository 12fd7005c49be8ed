package dynamodb

type timeToLive struct {
	AttributeName string
	Enabled       bool
}

type updateTimeToLiveInput struct {
	TableName               string
	TimeToLiveSpecification *timeToLive
}

func (s *Server) updateTimeToLive(in updateTimeToLiveInput) (answer, error) {
	if in.TimeToLiveSpecification == nil {
		return nil, missing("timeToLiveSpecification")
	}
	spec := *in.TimeToLiveSpecification
	if spec.AttributeName == "" {
		return nil, missing("timeToLiveSpecification.attributeName")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.named(in.TableName)
	if err != nil {
		return nil, err
	}
	switch {
	case spec.Enabled && t.expires != "":
		return nil, invalid("TimeToLive is already enabled")
	case !spec.Enabled && t.expires == "":
		return nil, invalid("TimeToLive is already disabled")
	case !spec.Enabled && t.expires != spec.AttributeName:
		return nil, invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.expires)
	case spec.Enabled:
		t.expires = spec.AttributeName
	default:
		t.expires = ""
	}
	return answer{"TimeToLiveSpecification": spec}, nil
}

func (s *Server) describeTimeToLive(in namedTable) (answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, err := s.named(in.TableName)
	if err != nil {
		return nil, err
	}
	if t.expires == "" {
		return answer{"TimeToLiveDescription": answer{"TimeToLiveStatus": "DISABLED"}}, nil
	}
	return answer{"TimeToLiveDescription": answer{"TimeToLiveStatus": "ENABLED", "AttributeName": t.expires}}, nil
}

// ExpireNow deletes the items whose time to live has passed, as AWS does some time within days of it, and returns how
// many. Until then they can be read, which is why their readers must look at the time themselves. It consumes nothing.
func (s *Server) ExpireNow() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := whole(int(s.now().Unix()))
	// An item that expired more than five years ago is not deleted: see
	// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html
	oldest := whole(int(s.now().AddDate(-5, 0, 0).Unix()))
	expired := 0
	for _, t := range s.tables {
		var gone []address
		for partition, shelf := range t.items.partitions {
			for e := range shelf.between("", "", true) {
				at, ok := e.item[t.expires].(number)
				if ok && at.order() < now.order() && at.order() >= oldest.order() {
					gone = append(gone, address{partition, e.order})
				}
			}
		}
		for _, a := range gone {
			t.set(a, nil)
		}
		expired += len(gone)
	}
	return expired
}

type pointInTimeRecovery struct {
	PointInTimeRecoveryEnabled bool
	RecoveryPeriodInDays       *int
}

type updateContinuousBackupsInput struct {
	TableName                        string
	PointInTimeRecoverySpecification *pointInTimeRecovery
}

// updateContinuousBackups remembers what it is told. There are no backups.
func (s *Server) updateContinuousBackups(in updateContinuousBackupsInput) (answer, error) {
	if in.PointInTimeRecoverySpecification == nil {
		return nil, missing("pointInTimeRecoverySpecification")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := checkTableName(in.TableName); err != nil {
		return nil, err
	}
	t := s.tables[in.TableName]
	if t == nil {
		return nil, exception("TableNotFoundException", "Table not found: %s", in.TableName)
	}
	t.recovery = in.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled
	recovery := answer{"PointInTimeRecoveryStatus": "DISABLED"}
	if t.recovery {
		recovery["PointInTimeRecoveryStatus"] = "ENABLED"
	}
	return answer{"ContinuousBackupsDescription": answer{
		"ContinuousBackupsStatus":        "ENABLED",
		"PointInTimeRecoveryDescription": recovery,
	}}, nil
}
