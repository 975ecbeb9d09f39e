package view

// This file reads the text of a filter. expr-lang's parser reads it, because
// its syntax is what users know; of the syntax tree only comparisons and logic
// are allowed, and filter.go evaluates them over columns. expr's own machine
// is not used: it works event by event, on maps, by reflection.

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"sketchlog/ingest/event"
)

// Limits of a filter.
const (
	maxWhere      = 4 << 10 // bytes
	maxWhereNodes = 1000
)

// environment is the name by which a filter reaches a field that is no
// identifier: $env["user-agent"].
const environment = "$env"

// compileWhere reads a filter. Text of blanks selects every event: a nil
// filter. The error says where in the text the fault is.
func compileWhere(text string) (*filter, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if len(text) > maxWhere {
		return nil, fmt.Errorf("has %d bytes, and %d are allowed", len(text), maxWhere)
	}
	config := conf.CreateNew()
	config.MaxNodes = maxWhereNodes
	config.DisableIfOperator = true
	tree, err := parser.ParseWithConfig(text, config)
	if err != nil {
		var at *file.Error
		if errors.As(err, &at) && strings.HasPrefix(at.Message, "unexpected token EOF") {
			return nil, fmt.Errorf("unexpected end at character %d of %q", utf8.RuneCountInString(text)+1, text)
		}
		if at != nil {
			return nil, fmt.Errorf("%s at character %d of %q", at.Message, at.From+1, text)
		}
		return nil, err
	}
	c := compiler{text: text}
	root, err := c.condition(tree.Node)
	if err != nil {
		return nil, err
	}
	return &filter{root: root, fields: c.fields}, nil
}

// compiler turns a syntax tree into conditions.
type compiler struct {
	text   string
	fields []string
}

func (c *compiler) fault(n ast.Node, format string, args ...any) error {
	return fmt.Errorf("%s at character %d of %q", fmt.Sprintf(format, args...), n.Location().From+1, c.text)
}

const allowed = "a filter compares fields and literals by == != < <= > >= in, and joins comparisons by && || !"

// condition compiles a node that is true or false for an event.
func (c *compiler) condition(n ast.Node) (condition, error) {
	switch n := n.(type) {
	case *ast.BoolNode:
		return constant(n.Value), nil
	case *ast.UnaryNode:
		if n.Operator != "!" && n.Operator != "not" {
			break
		}
		inner, err := c.condition(n.Node)
		return &negation{inner}, err
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.IdentifierNode, *ast.MemberNode:
		field, err := c.field(n)
		return &truth{field}, err
	}
	return nil, c.fault(n, "%s is not allowed here: %s;", describe(n), allowed)
}

func (c *compiler) binary(n *ast.BinaryNode) (condition, error) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		left, err := c.condition(n.Left)
		if err != nil {
			return nil, err
		}
		right, err := c.condition(n.Right)
		if n.Operator == "or" || n.Operator == "||" {
			return &disjunction{left, right}, err
		}
		return &conjunction{left, right}, err
	case "in":
		return c.membership(n)
	}
	op, ok := operators[n.Operator]
	if !ok {
		return nil, c.fault(n, "operator %q is not allowed: %s;", n.Operator, allowed)
	}
	left, err := c.operand(n.Left)
	if err != nil {
		return nil, err
	}
	right, err := c.operand(n.Right)
	if err != nil {
		return nil, err
	}
	switch {
	case left.literal && right.literal:
		return constant(holds(op, left.value, right.value)), nil
	case left.literal:
		return &comparison{field: right.field, op: op.mirrored(), value: left.value}, nil
	case right.literal:
		return &comparison{field: left.field, op: op, value: right.value}, nil
	}
	return &fieldComparison{left: left.field, op: op, right: right.field}, nil
}

func (c *compiler) membership(n *ast.BinaryNode) (condition, error) {
	left, err := c.operand(n.Left)
	if err != nil {
		return nil, err
	}
	array, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return nil, c.fault(n.Right, "in takes a list of literals such as [1, 2];")
	}
	values := make([]event.Value, len(array.Nodes))
	for i, element := range array.Nodes {
		o, err := c.operand(element)
		if err != nil {
			return nil, err
		}
		if !o.literal {
			return nil, c.fault(element, "in takes a list of literals, no fields;")
		}
		values[i] = o.value
	}
	if left.literal {
		return constant(slices.ContainsFunc(values, func(v event.Value) bool { return holds(equal, left.value, v) })), nil
	}
	return newMembership(left.field, values), nil
}

// operand is a field (by its index) or a literal.
type operand struct {
	literal bool
	value   event.Value
	field   int
}

func (c *compiler) operand(n ast.Node) (operand, error) {
	literal := func(v event.Value) (operand, error) { return operand{literal: true, value: v}, nil }
	switch n := n.(type) {
	case *ast.NilNode:
		return literal(event.Value{})
	case *ast.BoolNode:
		return literal(event.BoolValue(n.Value))
	case *ast.IntegerNode:
		return literal(event.IntValue(int64(n.Value)))
	case *ast.FloatNode:
		return literal(event.FloatValue(n.Value))
	case *ast.StringNode:
		return literal(event.StringValue(n.Value))
	case *ast.UnaryNode:
		if n.Operator != "-" && n.Operator != "+" {
			break
		}
		inner, err := c.operand(n.Node)
		if err != nil {
			return inner, err
		}
		if v, ok := signed(n.Operator, inner.value); ok && inner.literal {
			return literal(v)
		}
	case *ast.IdentifierNode, *ast.MemberNode:
		field, err := c.field(n)
		return operand{field: field}, err
	}
	return operand{}, c.fault(n, "%s is neither a field nor a literal: %s;", describe(n), allowed)
}

// signed applies a sign to a number.
func signed(sign string, v event.Value) (event.Value, bool) {
	switch {
	case v.Kind != event.Int && v.Kind != event.Float:
		return v, false
	case sign == "+":
		return v, true
	case v.Kind == event.Int && int64(v.Bits) != math.MinInt64:
		return event.IntValue(-int64(v.Bits)), true
	}
	n, _ := v.Number()
	return event.FloatValue(-n), true
}

// field returns the index of a field that is written user, geo.city,
// geo["city"] or $env["user-agent"].
func (c *compiler) field(n ast.Node) (int, error) {
	name, ok := fieldName(n)
	if !ok {
		return 0, c.fault(n, "%s is not a field: write name, outer.inner or %s[\"any name\"];", describe(n), environment)
	}
	name = strings.TrimPrefix(name, environment+".")
	if i := slices.Index(c.fields, name); i >= 0 {
		return i, nil
	}
	c.fields = append(c.fields, name)
	return len(c.fields) - 1, nil
}

func fieldName(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value, true
	case *ast.MemberNode:
		property, ok := n.Property.(*ast.StringNode)
		if !ok || n.Optional || n.Method {
			return "", false
		}
		outer, ok := fieldName(n.Node)
		return outer + "." + property.Value, ok
	}
	return "", false
}

// describe names a node for people.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.BuiltinNode:
		return fmt.Sprintf("the function %s", n.Name)
	case *ast.CallNode:
		return "a function call"
	case *ast.UnaryNode:
		return fmt.Sprintf("the operator %q", n.Operator)
	case *ast.BinaryNode:
		return fmt.Sprintf("the operator %q", n.Operator)
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode:
		return "a literal"
	case *ast.NilNode:
		return "nil"
	case *ast.ArrayNode:
		return "a list"
	case *ast.MemberNode:
		return "this access"
	}
	return "this"
}
