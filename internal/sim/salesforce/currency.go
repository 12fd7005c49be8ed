package salesforce

// currencyObject is the currencies of an org that has several.
func currencyObject() *object {
	b := newObject("CurrencyType", "Currency Type", "Currency Types", "01L",
		&field{name: "Id", label: "Currency Type ID", kind: kindID, length: 18, readOnly: true, required: true, basic: true},
		&field{name: "IsoCode", label: "Currency ISO Code", kind: kindString, length: 3, required: true, basic: true},
		&field{name: "ConversionRate", label: "Conversion Rate", kind: kindDouble, scale: 6, required: true, basic: true},
		&field{name: "DecimalPlaces", label: "Decimal Places", kind: kindInt, required: true, basic: true},
		&field{name: "IsActive", label: "Active", kind: kindBoolean, required: true, basic: true},
		&field{name: "IsCorporate", label: "Corporate Currency", kind: kindBoolean, required: true, basic: true},
		&field{name: "CreatedDate", label: "Created Date", kind: kindDatetime, required: true, basic: true},
		&field{name: "LastModifiedDate", label: "Last Modified Date", kind: kindDatetime, required: true, basic: true},
		&field{name: "SystemModstamp", label: "System Modstamp", kind: kindDatetime, required: true, basic: true},
	)
	b.readOnly = true
	return b
}

// currencyField is what a record with an amount has in an org with several currencies.
func currencyField() *field {
	return &field{name: currencyCode, label: "Currency", kind: kindPicklist, length: 3, required: true, basic: true}
}

const (
	currencyCode      = "CurrencyIsoCode"
	corporateCurrency = "USD"
)

// inCurrencies are the objects whose records have a currency of their own.
var inCurrencies = []string{"Opportunity", "OpportunityHistory"}

// addCurrencies makes a schema that of an org with several currencies.
func addCurrencies(schema map[string]*object) {
	schema["currencytype"] = currencyObject()
	for _, name := range inCurrencies {
		schema[fold(name)].add(currencyField())
	}
}

// UseCurrencies makes the org one with several currencies, as its administrator may, who can never go back: opportunities get
// a CurrencyIsoCode, at first the corporate one.
func (o *Org) UseCurrencies() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.useCurrencies()
}

// useCurrencies is UseCurrencies for who holds the lock, or is the only one that knows the org.
func (o *Org) useCurrencies() {
	if o.table("CurrencyType") != nil {
		return
	}
	t := newTable(currencyObject())
	t.journal = &o.journal
	o.tables["currencytype"] = t
	now := datetimeValue(o.now())
	for _, c := range []struct{ code, rate, places string }{{corporateCurrency, "1", "2"}, {"EUR", "0.92", "2"}, {"GBP", "0.79", "2"}, {"JPY", "151.5", "0"}} {
		o.put(t.name, map[string]string{"IsoCode": c.code, "ConversionRate": c.rate, "DecimalPlaces": c.places, "IsActive": "true",
			"IsCorporate": boolValue(c.code == corporateCurrency), "CreatedDate": now, "LastModifiedDate": now, "SystemModstamp": now})
	}
	for _, name := range inCurrencies {
		of := o.table(name)
		f := currencyField()
		of.add(f)
		for at, r := range of.rows {
			values := r.values(of.width)
			values[f.at] = corporateCurrency
			of.replace(at, packRow(values))
		}
	}
}

// choice is a value of a picklist.
type choice struct {
	value, label string
	active       bool
}

// choices are the values of a picklist: stages, or currencies.
func (o *Org) choices(f *field) []choice {
	object, value, label := "OpportunityStage", "ApiName", "MasterLabel"
	if f.name == currencyCode {
		object, value, label = "CurrencyType", "IsoCode", "IsoCode"
	}
	t := o.table(object)
	list := make([]choice, len(t.rows))
	for i, r := range t.rows {
		list[i] = choice{t.field(value).value(r), t.field(label).value(r), t.field("IsActive").value(r) == "true"}
	}
	return list
}
