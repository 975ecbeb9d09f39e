package event

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestCSV(t *testing.T) {
	runDecodeCases(t, Options{Format: FormatCSV}, []decodeCase{
		{"nothing", "", nil, nil},
		{"header only", "a,b\r\n", nil, nil},
		{"values", "a,b,c,d,e,f,g\n1,-2.5,1e3,true,false,,x y\n", []string{`a=1 b=-2.5 c=1000 d=true e=false g="x y"`}, nil},
		{"not numbers", "a,b,c,d,e,f,g\n01,1.,.5,+1,1e400,12345678901234567890,-\n", []string{`a="01" b="1." c=".5" d="+1" e="1e400" f="12345678901234567890" g="-"`}, nil},
		{"quotes do not make strings", "a,b,c\n\"1\",\"true\",\"\"\n", []string{"a=1 b=true"}, nil},
		{"case matters", "a,b\nTrue,NULL\n", []string{`a="True" b="NULL"`}, nil},
		{"line ends", "a,b\r\n1,2\r\n\r\n\n3,4", []string{"a=1 b=2", "a=3 b=4"}, nil},
		{"return at the very end", "a,b\n1,2\r", []string{"a=1 b=2"}, nil},
		{"quoted return at the very end", "a,b\n1,\"x\"\r", []string{`a=1 b="x"`}, nil},
		{"quoted", "\"a,1\",\"b\"\"2\"\n\"x,y\",\"say \"\"hi\"\"\"\r\n\"two\r\nlines\",\"\"\"\"\n", []string{`a,1="x,y" b"2="say \"hi\""`, `a,1="two\r\nlines" b"2="\""`}, nil},
		{"empty last cell", "a,b\n1,\n,2\n,", []string{"a=1", "b=2", ""}, nil},
		{"count", "a,b\n1\n1,2\n1,2,3\n", []string{"a=1 b=2"}, []string{"0:2: 1 fields where the header has 2", "2:4: 3 fields where"}},
		{"bare quote", "a,b\n1,x\"y\n1,2\n", []string{"a=1 b=2"}, []string{"0:2: field 2 has a quote inside"}},
		{"after the closing quote", "a,b\n\"x\"y,2\n1,2\n\"x\"\r,1\n", []string{"a=1 b=2"}, []string{"0:2: field 1 goes on", "2:4: field 1 goes on"}},
		{"never closed", "a,b\n1,2\n\"x,2\n1,2\n", []string{"a=1 b=2"}, []string{"1:3: never closed"}},
		{"lines of a record are counted", "a\n\"x\n\ny\"\n\"z", []string{`a="x\n\ny"`}, []string{"1:5: never closed"}},
		{"invalid UTF-8", "a\n\xff\nx\n", []string{`a="x"`}, []string{"0:2: not valid UTF-8"}},
		{"single column", "a\n\"\"\n\n7\n", []string{"", "a=7"}, nil},
	})
}

func TestCSVHeader(t *testing.T) {
	for _, body := range []string{"a,a\n", "a,,b\n", "a,b,\n", "_offset\n", "a,\"b\n1,2", "a\x01\n", "\xff\n", strings.Repeat("a,", 300) + "b\n", "a\"b\n1\n"} {
		if _, err := Decode(new(Batch), []byte(body), Options{Format: FormatCSV, Skip: true}); !errors.Is(err, ErrBody) {
			t.Errorf("header %.20q: %v", body, err)
		}
	}
}

// encoding/csv is the dumb version: it must read the same cells.
func TestCSVAgreesWithStandardLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	pieces := []string{"x", ",", "\"", "\n", "\r\n", "12", " ", "é", "-"}
	for range 3000 {
		var body bytes.Buffer
		w := csv.NewWriter(&body)
		w.UseCRLF = random.IntN(2) == 0
		names := []string{"a", "b", "c"}[:1+random.IntN(3)]
		records := [][]string{names}
		for range random.IntN(5) {
			record := make([]string, len(names))
			for i := range record {
				for range random.IntN(4) {
					record[i] += pieces[random.IntN(len(pieces))]
				}
			}
			records = append(records, record)
		}
		if err := w.WriteAll(records); err != nil {
			t.Fatal(err)
		}
		if why := sameCells(body.Bytes()); why != "" {
			t.Fatalf("%q: %s", body.Bytes(), why)
		}
	}
}

// sameCells says in what csvReader and encoding/csv differ about a body, "" when they agree.
func sameCells(body []byte) string {
	standard := csv.NewReader(bytes.NewReader(body))
	standard.FieldsPerRecord = -1
	c := csvReader{b: body, most: 1 << 20}
	for c.next() {
		want, err := standard.Read()
		why := c.record()
		if (err != nil) != (why != "") {
			return fmt.Sprintf("%q here, %v there", why, err)
		}
		if err != nil {
			return ""
		}
		got := make([]string, len(c.cells))
		for i, cell := range c.cells {
			// encoding/csv turns CRLF within quotes into LF.
			got[i] = strings.ReplaceAll(string(cell), "\r\n", "\n")
		}
		if !slices.Equal(got, want) {
			return fmt.Sprintf("%q here, %q there", got, want)
		}
	}
	return ""
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("t,a\r\n1,\"x,\"\"y\"\"\r\nz\"\n2,\n,true\n3,\"never"))
	f.Add([]byte("t,t\n1,2\n"))
	f.Add([]byte("t,a\n1,x\"y\n\"2\"z,1\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		checkDecoded(t, FormatCSV, body)
		// A bare carriage return is where encoding/csv goes its own way.
		if !bytes.Contains(bytes.ReplaceAll(body, []byte("\r\n"), nil), []byte("\r")) {
			if why := sameCells(body); why != "" {
				t.Fatalf("%q: %s", body, why)
			}
		}
	})
}
