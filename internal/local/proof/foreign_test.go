package proof

import (
	"slices"
	"strings"
	"testing"
)

func TestBelieversAreThoseWhoseTestsPassed(t *testing.T) {
	t.Parallel()
	clients, said, err := believers(strings.NewReader(`{"Action":"run","Test":"T/b"}
{"Action":"attr","Test":"T/b","Key":"client","Value":"b 2"}
{"Action":"attr","Test":"T/a","Key":"client","Value":"a 1"}
{"Action":"attr","Test":"T/c","Key":"client","Value":"c 3"}
{"Action":"output","Test":"T/c","Output":"it knows nothing\n"}
{"Action":"pass","Test":"T/b"}
{"Action":"fail","Test":"T/c"}
{"Action":"pass","Test":"T/a"}
{"Action":"fail","Test":"T"}
`))
	if err != nil || !slices.Equal(clients, []string{"a 1", "b 2"}) || said != "it knows nothing\n" {
		t.Errorf("%v, %q, %v", clients, said, err)
	}
	if _, _, err := believers(strings.NewReader("no JSON")); err == nil {
		t.Error("what is no JSON is read all the same")
	}
}
