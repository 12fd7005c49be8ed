package dynamodb

import (
	"math/big"
	"strconv"
	"strings"
)

// decimal is an exact number: 0.DIGITS times ten to the power of point. Digits has no zeros at either end, and is empty
// for zero, so that equal numbers are equal Go values.
type decimal struct {
	negative bool
	digits   string
	point    int
}

// The range of a Number, from
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number
const (
	mostDigits    = 38
	largestPoint  = 126  // 9.99e125
	smallestPoint = -129 // 1e-130
)

func parseDecimal(s string) (decimal, error) {
	notNumeric := func() (decimal, error) {
		if s == "" {
			return decimal{}, invalid("The parameter cannot be converted to a numeric value")
		}
		return decimal{}, invalid("The parameter cannot be converted to a numeric value: %s", s)
	}
	rest, negative := strings.CutPrefix(s, "-")
	if !negative {
		rest = strings.TrimPrefix(rest, "+")
	}
	mantissa, exponent := rest, 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(rest[i+1:]); err != nil || len(rest[i+1:]) > 9 {
			return notNumeric()
		}
		mantissa = rest[:i]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return notNumeric()
	}
	return newDecimal(negative, digits, len(whole)+exponent)
}

// newDecimal normalises 0.digits times ten to the power of point, and checks that DynamoDB can hold it.
func newDecimal(negative bool, digits string, point int) (decimal, error) {
	significant := strings.TrimLeft(digits, "0")
	point -= len(digits) - len(significant)
	significant = strings.TrimRight(significant, "0")
	switch {
	case significant == "":
		return decimal{}, nil
	case len(significant) > mostDigits:
		return decimal{}, invalid("Attempting to store more than 38 significant digits in a Number")
	case point > largestPoint:
		return decimal{}, invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case point < smallestPoint:
		return decimal{}, invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	}
	return decimal{negative: negative, digits: significant, point: point}, nil
}

// String writes the number without an exponent, as DynamoDB answers.
func (d decimal) String() string {
	var b strings.Builder
	if d.negative {
		b.WriteByte('-')
	}
	switch {
	case d.digits == "":
		b.WriteByte('0')
	case d.point <= 0:
		b.WriteString("0." + strings.Repeat("0", -d.point) + d.digits)
	case d.point >= len(d.digits):
		b.WriteString(d.digits + strings.Repeat("0", d.point-len(d.digits)))
	default:
		b.WriteString(d.digits[:d.point] + "." + d.digits[d.point:])
	}
	return b.String()
}

// order returns bytes that sort as the numbers do.
func (d decimal) order() string {
	if d.digits == "" {
		return "\x80"
	}
	ascending := string([]byte{0xff, byte((d.point - smallestPoint) >> 8), byte(d.point - smallestPoint)}) + d.digits
	if !d.negative {
		return ascending
	}
	mirrored := []byte(ascending + "\x00") // a shorter fraction is the smaller one, so its mirror must be the greater
	for i, c := range mirrored {
		mirrored[i] = 0xff - c
	}
	return string(mirrored)
}

func (d decimal) plus(e decimal) (decimal, error) { return d.combine(e, (*big.Int).Add) }

func (d decimal) minus(e decimal) (decimal, error) { return d.combine(e, (*big.Int).Sub) }

func (d decimal) combine(e decimal, operate func(z, x, y *big.Int) *big.Int) (decimal, error) {
	unit := min(d.point-len(d.digits), e.point-len(e.digits)) // the power of ten of the last digit of both
	sum := operate(new(big.Int), d.scaled(unit), e.scaled(unit))
	digits := new(big.Int).Abs(sum).String()
	return newDecimal(sum.Sign() < 0, digits, len(digits)+unit)
}

// scaled returns the number as a whole number of units of ten to the given power.
func (d decimal) scaled(unit int) *big.Int {
	n := new(big.Int)
	if d.digits == "" {
		return n
	}
	n.SetString(d.digits+strings.Repeat("0", d.point-len(d.digits)-unit), 10)
	if d.negative {
		n.Neg(n)
	}
	return n
}

// size is what DynamoDB charges: a byte for two digits, one more, and one for a minus sign.
func (d decimal) size() int {
	if d.digits == "" {
		return 1
	}
	size := (len(d.digits)+1)/2 + 1
	if d.point%2 != 0 && len(d.digits)%2 == 0 {
		size++ // digits are stored in pairs about the decimal point
	}
	if d.negative {
		size++
	}
	return size
}

// whole returns a whole number that is not negative.
func whole(n int) number {
	digits := strconv.Itoa(n)
	d, _ := newDecimal(false, digits, len(digits)) // an int is well inside the range
	return number{d}
}
