package bench

import "math"

// axis places values between two pixels.
type axis struct {
	least, greatest float64
	from, to        float64 // pixels of least and greatest
	kind            axisKind
}

type axisKind int

const (
	linear axisKind = iota
	logarithmic
	nines // percentiles: 0, 90, 99, 99.9 at even distances
)

// axes choose their ends from what is drawn.
func (p *panel) axes() (x, y axis) {
	x = axis{least: math.Inf(1), greatest: math.Inf(-1)}
	y = axis{least: math.Inf(1), greatest: math.Inf(-1)}
	switch {
	case p.percentiles:
		x.kind = nines
	case p.logX:
		x.kind = logarithmic
	}
	if p.logY {
		y.kind = logarithmic
	}
	for _, s := range p.series {
		for _, at := range s.points {
			x.include(at.x)
			if y.kind != logarithmic || at.y > 0 {
				y.include(at.y)
			}
		}
	}
	for _, l := range p.levels {
		y.include(l.at)
	}
	if p.xFrom < p.xTo {
		x.include(p.xFrom)
		x.include(p.xTo)
	}
	if x.least > x.greatest { // nothing to draw
		x.least, x.greatest = 0, 1
		if x.kind == logarithmic {
			x.least, x.greatest = 1, 10
		}
	}
	if y.least > y.greatest {
		y.least, y.greatest = 0.1, 1
	}
	if p.yMax > 0 {
		y.greatest = p.yMax
	}
	y.round()
	if x.least == x.greatest {
		x.greatest = x.least + 1
	}
	return x, y
}

func (a *axis) include(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	a.least, a.greatest = min(a.least, v), max(a.greatest, v)
}

// round moves the ends outwards to ticks.
func (a *axis) round() {
	if a.kind == logarithmic {
		a.least = math.Pow(10, math.Floor(math.Log10(a.least)))
		a.greatest = math.Pow(10, math.Ceil(math.Log10(a.greatest)))
		if a.least >= a.greatest {
			a.greatest = a.least * 10
		}
		return
	}
	a.least = min(a.least, 0)
	if a.least == a.greatest {
		a.greatest = a.least + 1
	}
	step := niceStep(a.greatest - a.least)
	a.least, a.greatest = math.Floor(a.least/step)*step, math.Ceil(a.greatest/step-1e-9)*step
}

func (a axis) shows(v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (a.kind != logarithmic || v > 0)
}

// scale turns values into what is linear in pixels.
func (a axis) scale(v float64) float64 {
	switch a.kind {
	case logarithmic:
		return math.Log10(v)
	case nines:
		return -math.Log10(1 - min(v, 99.9999)/100)
	}
	return v
}

func (a axis) place(v float64) float64 {
	least, greatest := a.scale(a.least), a.scale(a.greatest)
	share := (a.scale(v) - least) / (greatest - least)
	return a.from + min(max(share, 0), 1)*(a.to-a.from)
}

// ticks are the values that get a label.
func (a axis) ticks() []float64 {
	var out []float64
	switch a.kind {
	case logarithmic:
		for v := a.least; v <= a.greatest*1.001; v *= 10 {
			out = append(out, v)
		}
	case nines:
		for _, v := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
			if v <= a.greatest {
				out = append(out, v)
			}
		}
	default:
		step := niceStep(a.greatest - a.least)
		for n := math.Ceil(a.least/step - 1e-9); n*step <= a.greatest+step*1e-6; n++ {
			out = append(out, n*step+0) // and not -0
		}
	}
	return out
}

// niceStep divides a span into four to eight parts of 1, 2 or 5 times a power
// of ten.
func niceStep(span float64) float64 {
	if span <= 0 || math.IsNaN(span) || math.IsInf(span, 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(span)))
	for _, part := range []float64{0.1, 0.2, 0.5, 1} {
		if span/(part*power) <= 8 {
			return part * power
		}
	}
	return 2 * power
}
