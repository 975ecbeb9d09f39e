package bench

// A small SVG writer: panels of lines one under the other, with axes, grid and
// legends, in colours that follow the reader's light or dark mode. A plotting
// library would be a large dependency for two kinds of picture.

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// chart is one picture.
type chart struct {
	title, note string
	panels      []panel
}

// panel is one pair of axes. Points must be in rising order of x.
type panel struct {
	title, xTitle string
	series        []series
	logY          bool       // y by its logarithm; values at or below 0 are left out
	logX          bool       // x by its logarithm; every x is above 0
	xFrom, xTo    float64    // least range of x
	xTicks        []float64  // values of x that get a label; nil: those that the axis chooses
	percentiles   bool       // x is a percentile, drawn so that each nine takes the same room
	yMax          float64    // 0: from the points
	marks         []markedAt // moments worth a vertical line
	levels        []markedAt // values worth a horizontal line
}

type series struct {
	name   string
	points []point
	steps  bool // hold each value until the next
}

type markedAt struct {
	at   float64
	name string
}

// Of a chart, in pixels.
const (
	chartWidth  = 960
	plotHeight  = 190
	marginLeft  = 80
	marginRight = 24
	headHeight  = 64 // the chart's title
	panelHead   = 44 // a panel's title and legend
	panelFoot   = 44 // the labels of x
	panelStep   = plotHeight + panelHead + panelFoot
)

// style has mid tones for the lines, which show on both grounds.
const style = `
text{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#24292f}
.title{font-size:18px;font-weight:600}.head{font-weight:600}.soft{fill:#57606a;font-size:12px}
.ground{fill:#ffffff}.grid{stroke:#d0d7de;stroke-width:1}.axis{stroke:#6e7781;stroke-width:1}
.mark{stroke:#6e7781;stroke-width:1;stroke-dasharray:4 4}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.c0{stroke:#2f81f7}.c1{stroke:#2da44e}.c2{stroke:#d1242f}.c3{stroke:#bf8700}.c4{stroke:#8957e5}
.c5{stroke:#1b9aaa}.c6{stroke:#d15704}.c7{stroke:#bf3989}.c8{stroke:#6e7781}.c9{stroke:#7a8b2c}
@media (prefers-color-scheme: dark){
text{fill:#e6edf3}.soft{fill:#9198a1}.ground{fill:#0d1117}.grid{stroke:#30363d}.axis{stroke:#768390}.mark{stroke:#768390}}
`

const colours = 10

// svgWriter writes elements and keeps the first error.
type svgWriter struct {
	w   *bufio.Writer
	err error
}

func (s *svgWriter) printf(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, format, args...)
	}
}

func (s *svgWriter) text(x, y float64, class, anchor, text string) {
	s.printf(`<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, escaped(text))
}

func (s *svgWriter) line(x1, y1, x2, y2 float64, class string) {
	s.printf(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`+"\n", x1, y1, x2, y2, class)
}

// escaped makes text fit for XML, without the characters that XML cannot carry.
func escaped(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}

// writeSVG draws a chart.
func (c *chart) writeSVG(w io.Writer) error {
	s := &svgWriter{w: bufio.NewWriter(w)}
	height := headHeight + len(c.panels)*panelStep
	s.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n", chartWidth, height, chartWidth, height)
	s.printf("<title>%s</title>\n<style>%s</style>\n", escaped(c.title), style)
	s.printf(`<rect width="%d" height="%d" class="ground"/>`+"\n", chartWidth, height)
	s.text(marginLeft, 30, "title", "start", c.title)
	s.text(marginLeft, 50, "soft", "start", c.note)
	for i := range c.panels {
		c.panels[i].write(s, float64(headHeight+i*panelStep))
	}
	s.printf("</svg>\n")
	if s.err != nil {
		return s.err
	}
	return s.w.Flush()
}

// write draws a panel whose upper edge is at top.
func (p *panel) write(s *svgWriter, top float64) {
	x, y := p.axes()
	y.from, y.to = top+panelHead+plotHeight, top+panelHead
	x.from, x.to = marginLeft, chartWidth-marginRight
	p.legend(s, top)
	for _, t := range y.ticks() {
		at := y.place(t)
		s.line(x.from, at, x.to, at, "grid")
		s.text(x.from-8, at+4, "soft", "end", shortNumber(t))
	}
	labels := p.xTicks
	if labels == nil {
		labels = x.ticks()
	}
	for _, t := range labels {
		at := x.place(t)
		s.line(at, y.from, at, y.from+5, "axis")
		s.text(at, y.from+19, "soft", "middle", strconv.FormatFloat(t, 'g', 6, 64))
	}
	s.text(x.to, y.from+36, "soft", "end", p.xTitle)
	s.line(x.from, y.from, x.to, y.from, "axis")
	for _, m := range p.marks {
		s.line(x.place(m.at), y.from, x.place(m.at), y.to, "mark")
		anchor, beside := "start", 5.0
		if x.place(m.at) > (x.from+x.to)/2 {
			anchor, beside = "end", -5
		}
		s.text(x.place(m.at)+beside, y.to+12, "soft", anchor, m.name)
	}
	for _, m := range p.levels {
		s.line(x.from, y.place(m.at), x.to, y.place(m.at), "mark")
		s.text(x.from+4, y.place(m.at)-4, "soft", "start", m.name)
	}
	for i, one := range p.series {
		one.write(s, i, x, y)
	}
}

// legend writes the panel's title and the names of its lines.
func (p *panel) legend(s *svgWriter, top float64) {
	s.text(marginLeft, top+16, "head", "start", p.title)
	at := float64(marginLeft)
	for i, one := range p.series {
		if len(p.series) == 1 && one.name == "" {
			break
		}
		s.line(at, top+31, at+16, top+31, fmt.Sprintf("line c%d", i%colours))
		s.text(at+21, top+35, "soft", "start", one.name)
		at += 21 + 6.4*float64(len(one.name)) + 18
	}
}

// write draws a line; where points are missing it is broken.
func (one *series) write(s *svgWriter, number int, x, y axis) {
	var path strings.Builder
	pen, last := "M", 0.0
	for _, p := range one.points {
		if !y.shows(p.y) {
			pen = "M"
			continue
		}
		px, py := x.place(p.x), y.place(p.y)
		if one.steps && pen == "L" {
			fmt.Fprintf(&path, "L%.1f %.1f", px, last)
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", pen, px, py)
		pen, last = "L", py
	}
	if path.Len() > 0 {
		s.printf(`<path d="%s" class="line c%d"/>`+"\n", path.String(), number%colours)
	}
}

// shortNumber writes a tick's value with k, M or G.
func shortNumber(f float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(f) >= unit.size {
			return strconv.FormatFloat(f/unit.size, 'g', 4, 64) + unit.name
		}
	}
	return strconv.FormatFloat(f, 'g', 4, 64)
}
