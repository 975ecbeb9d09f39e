package view

// This file tests filters against an evaluator that walks expr-lang's tree row
// by row and knows nothing of columns.

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"sketchlog/ingest/event"
)

// dumbly evaluates a node for one event.
func dumbly(n ast.Node, e map[string]any) any {
	switch n := n.(type) {
	case *ast.NilNode:
		return nil
	case *ast.BoolNode:
		return n.Value
	case *ast.IntegerNode:
		return n.Value
	case *ast.FloatNode:
		return n.Value
	case *ast.StringNode:
		return n.Value
	case *ast.IdentifierNode:
		return e[n.Value]
	case *ast.MemberNode:
		name, _ := fieldName(n)
		return e[strings.TrimPrefix(name, "$env.")]
	case *ast.UnaryNode:
		v := dumbly(n.Node, e)
		switch n.Operator {
		case "-":
			if i, ok := v.(int); ok {
				return -i
			}
			return -v.(float64)
		case "+":
			return v
		}
		return v != true
	case *ast.ArrayNode:
		var list []any
		for _, element := range n.Nodes {
			list = append(list, dumbly(element, e))
		}
		return list
	case *ast.BinaryNode:
		left, right := dumbly(n.Left, e), dumbly(n.Right, e)
		switch n.Operator {
		case "and", "&&":
			return left == true && right == true
		case "or", "||":
			return left == true || right == true
		case "in":
			return slices.ContainsFunc(right.([]any), func(v any) bool { return dumblyCompare("==", left, v) })
		}
		return dumblyCompare(n.Operator, left, right)
	}
	panic(fmt.Sprintf("a %T", n))
}

func dumblyCompare(op string, a, b any) bool {
	rational := func(v any) *big.Rat {
		switch v := v.(type) {
		case int:
			return new(big.Rat).SetInt64(int64(v))
		case float64:
			return new(big.Rat).SetFloat64(v)
		}
		return nil
	}
	var c int
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		if !ok {
			return false
		}
		c = strings.Compare(x, y)
	case bool:
		y, ok := b.(bool)
		return ok && (op == "==" && x == y || op == "!=" && x != y)
	default:
		x2, y2 := rational(a), rational(b)
		if x2 == nil || y2 == nil {
			return false
		}
		c = x2.Cmp(y2)
	}
	return map[string]bool{"==": c == 0, "!=": c != 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[op]
}

// oddEvents have every kind of value, the ends of numbers included.
func oddEvents() []testEvent {
	values := []any{
		nil, true, false, 0, 1, -1, 100, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, 0.5, -0.5, 1.5, 1e300, -1e19,
		9223372036854775807.0, "", "a", "b", "1", "true", "größe",
	}
	r := rand.New(rand.NewPCG(1, 2))
	var events []testEvent
	for i := range 300 {
		e := testEvent{time: int64(i), fields: map[string]any{}}
		for _, name := range []string{"a", "b", "geo.city", "odd-name"} {
			if r.IntN(8) > 0 {
				e.fields[name] = values[r.IntN(len(values))]
			}
		}
		events = append(events, e)
	}
	return events
}

func checkWhere(t *testing.T, text string, events []testEvent, b *event.Batch) {
	t.Helper()
	f, err := compileWhere(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var e evaluation
	got := e.appendRows(nil, f, b)
	var want []int32
	tree, err := parser.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for i, event := range events {
		if dumbly(tree.Node, event.fields) == true {
			want = append(want, int32(i))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: selected %v, want %v", text, got, want)
	}
}

func TestWhereAgainstDumb(t *testing.T) {
	events := oddEvents()
	b := batchOf(t, events)
	for _, text := range []string{
		"a", "!a", "a == 1", "a != 1", "a == 1.0", "1 == a", "a < 1", "1 < a", "a >= -1", "a <= 0.5", "0.5 <= a", "a != b", "a == b", "a < b",
		"a > 9223372036854775806", "a == 9223372036854775807", "a >= 9.3e18", "a < -9.3e18", "a > 1e299",
		`a == "a"`, `a != "a"`, `a >= "a"`, `"a" > a`, `a == ""`, `a == true`, `a != false`, `a < true`, "a == nil", "a != nil", "nil == nil",
		`a in [1, "a", true, nil, 0.5]`, `a not in [1, "a"]`, "not (a in [1])", "a in []", "1 in [1, 2]", `"x" in ["y"]`,
		"a > 0 && b", "a > 0 and b == 1 or !b", "!(a == 1 || b == 1) && !(a == b)", "true", "false or a == 1", "1 < 2", `"a" == 1`,
		`geo.city == "a"`, `geo["city"] == "b" || a`, `$env["odd-name"] == 1`, "nowhere == 1", "!nowhere", "a == nowhere", "0 < a < 2", "a == -1", "a == - -1", "a == +1",
	} {
		checkWhere(t, text, events, b)
	}
}

func TestWhereFaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"added >", "character 8"}, {"a + 1 == 2", `"+"`}, {"len(a) > 3", "len"}, {"a matches 'x'", `"matches"`}, {"f(a)", "function call"},
		{"a ? b : c", "not allowed"}, {"let x = 1; x == a", "not allowed"}, {"a; b", "not allowed"}, {"'text'", "not allowed"}, {"5", "not allowed"},
		{"a in b", "list of literals"}, {"a in [b]", "no fields"}, {"a == [1]", "list"}, {"(a == 1) == true", "neither a field nor a literal"},
		{"a?.b == 1", ""}, {"a[0] == 1", "not a field"}, {"a == b.c()", ""}, {"all(a, # > 1)", "all"}, {"a == {}", ""}, {"a ?? b", ""}, {"a == 99999999999999999999", ""},
		{"-a == 1", ""}, {strings.Repeat("!", 5000) + "a", "bytes"}, {strings.Repeat("!", 2000) + "a", ""}, {strings.Repeat("(", 3000), ""}, {"a == 'x", ""}, {"\x00", ""}, {"a.b.c.", ""},
		{"a && ", ""}, {"$env", ""},
	} {
		f, err := compileWhere(c.text)
		if c.text == "$env" {
			continue // a field of that name; harmless
		}
		if err == nil {
			t.Errorf("%.60s is taken as %+v", c.text, f)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: the error does not say %q: %v", c.text, c.want, err)
		}
	}
	if f, err := compileWhere(" \n"); f != nil || err != nil {
		t.Errorf("an empty filter is %v, %v", f, err)
	}
}

func FuzzWhere(f *testing.F) {
	for _, text := range []string{
		"a == 1 && !(b < 0.5)", `a in ["x", 1] or geo.city != "a"`, `$env["odd-name"] >= -1`, "not a and b", "0 < a < 2", "added >", "a.b?.c", "[a][0]", "{a: 1}.a",
	} {
		f.Add(text)
	}
	events := oddEvents()[:60]
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := compileWhere(text); err != nil || strings.TrimSpace(text) == "" {
			return
		}
		checkWhere(t, text, events, batchOf(t, events))
	})
}
