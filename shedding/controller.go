package shedding

// This file decides, from period to period, how much of its load a view takes.
//
// The worker of a shard is a queue with one server. A rate j serves C(j) events a
// second, which the cost model predicts for every j from what the rate in force
// takes. An event that arrives now waits backlog/C(j), so that freshness can be
// predicted for every rate a little ahead, and the controller looks for a rate
// instead of groping for it with a gain that somebody would have to tune: a
// proportional controller on lag was rejected, since lag shows a change of load
// only after the backlog has built up, and hunts when rates are a factor of two
// apart.

import (
	"math"
	"time"
)

// provingWaits is for how many waits a finer rate has to hold before the step to
// it counts as right. Under a load that swings faster than that, steps are taken
// back time and again, the wait grows, and the rate comes to rest where it holds
// at the worst; what is to spare meanwhile heals.
const provingWaits = 8

// settling is for how many periods a coarser rate is left to show what it saves before
// the next, unless the target is missed already. Records that were under way at the old
// rate are among what is measured at first, and where many views share the processors,
// so are those of the others: acting on that took all of them from full to the coarsest
// rate within two periods.
const settling = 3

// Observation is what a controller is told. Counts only ever grow; one that
// falls, as after a restart, is taken for a new beginning.
type Observation struct {
	Lag     time.Duration // age of the oldest event that the view has not taken: since it arrived in the log
	Backlog uint64        // events in the log that the view has neither taken nor passed over
	Arrived uint64        // events that ever arrived in the log
	Taken   uint64        // events that the worker took from it, at whatever rate; not those passed over, nor healed ones
	Busy    time.Duration // time that the worker has spent on those, waiting for new ones apart

	Memory int64 // bytes held that cannot be let go at once: panes not committed, provisional and hidden ones
	Budget int64 // for them; 0: unlimited

	Priority   Priority
	Strain     float64 // Strains.Above of the views on the same node
	Used       float64 // processors in use on the node, by anything but healing
	Processors float64 // of the node; 0: unknown, or no view of a higher priority could want them
}

// Decision is what a controller wants for the next period.
type Decision struct {
	// Rate is what to apply of each record. At Nothing the worker need not read
	// at all: it owes what is there and waits.
	Rate Rate
	// Heal is the share of the worker's time that may go to paying debts.
	Heal float64
	// Skip is how many events of the backlog, oldest first, to pass over unread
	// and owe, because reading alone would take too long. It stands in one
	// Decision only; to skip a little more or less does no harm.
	Skip uint64
	// Strain is the predicted freshness as a share of the target: above 1 the
	// target will be missed.
	Strain float64
}

// Controller decides for one view in one partition. It is not safe for
// concurrent use.
type Controller struct {
	config Config
	// In seconds.
	fresh, period, hold, horizon float64

	started  bool
	last     int64 // of the last step, Unix milliseconds
	taken    uint64
	busy     time.Duration
	load     load
	costs    costs
	guard    guard
	rate     Rate // for the sake of freshness; memory may want a coarser one
	decision Decision

	used     float64 // Observation.Used, smoothed over about a hold
	gaveWay  float64 // others' strain when this view gave way last; 0: they have recovered
	changed  int64   // when rate changed last
	sheds    int64   // when it became coarser last
	finer    int64   // when it became finer last
	tried    bool    // that step has not proved itself yet
	wait     float64 // seconds before the next such step
	overdue  int     // periods in a row that lag missed the target against prediction
	pressure int64   // when there was pressure last
}

// NewController returns a controller that begins at rate Full.
func NewController(c Config) (*Controller, error) {
	k := &Controller{}
	if err := k.Configure(c); err != nil {
		return nil, err
	}
	k.costs.fixed = k.config.Fixed
	return k, nil
}

// Configure changes the settings and keeps what was learned. After an error
// nothing has changed.
func (k *Controller) Configure(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	k.config = c.withDefaults()
	k.fresh, k.period, k.hold = k.config.Fresh.Seconds(), k.config.Period.Seconds(), k.config.Hold.Seconds()
	k.horizon = min(max(k.fresh/4, k.period), 5*k.period)
	k.wait = k.hold
	return nil
}

// Step decides at a time in Unix milliseconds. Asked again before a period has
// passed it repeats its decision, without the skip, so that it may be asked
// after every record.
func (k *Controller) Step(now int64, o Observation) Decision {
	if !k.started || now < k.last {
		k.start(now, &o)
		return k.decision
	}
	elapsed := now - k.last
	if elapsed < k.config.Period.Milliseconds() {
		k.decision.Skip = 0
		return k.decision
	}
	k.last = now
	k.measure(float64(elapsed)/1000, &o)
	act := o.Priority.act()
	used := 0.0
	if o.Budget > 0 {
		used = float64(o.Memory) / float64(o.Budget)
	}
	if coarser := k.coarser(now, &o, act); coarser > k.rate {
		k.shed(now, coarser)
	} else if k.mayRefine(now, &o, act) {
		k.refine(now)
	}
	k.guard.step(now, used, k.rate, &k.config)
	r := max(k.rate, k.guard.rate)
	k.costs.move(r)
	d := Decision{Rate: r, Strain: k.projected(o.Backlog, r) / k.fresh, Skip: k.skip(&o, r, act)}
	if d.Skip > 0 || d.Strain > act/2 || o.Lag.Seconds() > k.fresh/2 || used >= k.config.MemoryLow || o.Strain > act/2 {
		k.pressure = now
	} else if now-k.pressure >= k.config.Hold.Milliseconds() {
		d.Heal = k.spare(r)
	}
	k.decision = d
	return d
}

// start begins anew at a time; the rate stays what it was.
func (k *Controller) start(now int64, o *Observation) {
	k.started, k.last, k.changed, k.guard.changed = true, now, now, now
	// There was no pressure yet: what a new view owes is paid from the first moment on.
	k.pressure = now - k.config.Hold.Milliseconds()
	k.sheds = math.MinInt64 / 2 // long ago
	k.load.last, k.taken, k.busy = o.Arrived, o.Taken, o.Busy
	k.decision = Decision{Rate: max(k.rate, k.guard.rate)}
}

func (k *Controller) measure(seconds float64, o *Observation) {
	k.load.measure(o.Arrived, seconds, k.period, k.hold)
	if o.Taken > k.taken && o.Busy > k.busy && k.decision.Rate != Nothing {
		k.costs.measure(work{(o.Busy - k.busy).Seconds(), float64(o.Taken - k.taken)}, seconds)
	}
	k.taken, k.busy = o.Taken, o.Busy
	k.used += (o.Used - k.used) * toward(seconds, k.hold)
}

// projected is the freshness in seconds that an event will see which arrives at
// the horizon, at a rate: the backlog of then over what is served.
func (k *Controller) projected(backlog uint64, r Rate) float64 {
	cost := k.costs.at(r)
	wait := float64(backlog)*cost + (k.load.fast*cost-1)*k.horizon
	return max(wait, 0)
}

// holds tells whether a rate is predicted to keep up, with some room below the
// mark at which the view acts.
func (k *Controller) holds(backlog uint64, r Rate, act float64) bool {
	return k.load.fast*k.costs.at(r) <= 0.95 && k.projected(backlog, r) <= 0.8*act*k.fresh
}

// coarser returns the rate to shed to, or the present one. It goes as far as
// prediction says at once, for every period at a rate that does not hold makes
// the backlog longer. It never goes past the last useful rate: what is left then
// is to skip.
func (k *Controller) coarser(now int64, o *Observation, act float64) Rate {
	useful := k.costs.useful()
	if k.rate >= useful {
		return k.rate
	}
	settle := settling * k.config.Period.Milliseconds()
	if k.projected(o.Backlog, k.rate) > act*k.fresh && (now-k.sheds >= settle || o.Lag.Seconds() > k.fresh) {
		k.overdue = 0
		r := k.rate.Coarser()
		for r < useful && !k.holds(o.Backlog, r, act) {
			r = r.Coarser()
		}
		return r
	}
	if o.Lag.Seconds() > k.fresh {
		k.overdue++
	} else {
		k.overdue = 0
	}
	if now-k.changed < settle {
		return k.rate
	}
	if k.overdue >= 5 { // events are late, and prediction does not see why
		k.overdue = 0
		return k.rate.Coarser()
	}
	if k.givesWay(o.Strain, act) {
		return k.rate.Coarser()
	}
	return k.rate
}

// givesWay tells whether to give way to strained views of higher priority. What
// that does for them cannot be predicted, so the view feels its way: a step, and
// another one only while their strain does not fall, for a backlog takes time to
// go even when enough was given. A view that uses next to nothing has nothing to
// give.
func (k *Controller) givesWay(strain, act float64) bool {
	if strain <= act {
		k.gaveWay = 0
		return false
	}
	falls := strain < k.gaveWay
	k.gaveWay = strain
	return !falls && k.load.mean*k.costs.at(k.rate) > 0.02
}

// shed changes to a coarser rate. If the last step the other way has not proved
// itself, it was one too many, and the next one waits longer.
func (k *Controller) shed(now int64, r Rate) {
	if k.tried && float64(now-k.finer)/1000 < provingWaits*k.wait {
		k.wait = min(2*k.wait, k.config.Patience.Seconds())
	}
	k.tried = false
	k.rate, k.changed, k.sheds = r, now, now
}

// mayRefine tells whether it is time for a finer rate, and whether that is
// predicted to hold with a margin even at the worst load of the recent past.
func (k *Controller) mayRefine(now int64, o *Observation, act float64) bool {
	if k.rate == Full {
		return false
	}
	since := float64(now-k.changed) / 1000
	if k.tried && since >= provingWaits*k.wait {
		k.tried, k.wait = false, max(k.wait/2, k.hold)
	}
	wait := k.wait
	if max(k.load.peak, k.load.fast)*k.costs.at(Full) <= k.config.Margin/2 && o.Strain <= act/4 {
		wait = k.hold // the load has gone
	}
	next := k.rate.Finer()
	worst := max(k.load.peak, k.load.fast)
	return since >= wait && o.Strain <= act/2 && o.Lag.Seconds() <= k.fresh/2 &&
		worst*k.costs.at(next) <= k.config.Margin &&
		float64(o.Backlog)*k.costs.at(next) <= act/2*k.fresh && k.fits(next, o.Processors)
}

// fits tells whether a finer rate finds idle processors. Without that, views that
// gave way would take back what they gave as soon as those above them are at
// ease, and strain them again.
func (k *Controller) fits(r Rate, processors float64) bool {
	more := k.load.peak * (k.costs.at(r) - k.costs.at(k.rate))
	return processors == 0 || k.used+more <= k.config.Margin*processors
}

func (k *Controller) refine(now int64) {
	k.rate, k.changed, k.finer, k.tried = k.rate.Finer(), now, now, true
}

// skip returns how much of the backlog to pass over. Where even the last useful
// rate would need longer than the target to bring the backlog down to where the
// view acts, it leaves an eighth of the target's worth: less would skip more
// often than needed, more would leave no time until the next.
func (k *Controller) skip(o *Observation, r Rate, act float64) uint64 {
	cost := k.costs.at(r)
	if r == Nothing || r < k.costs.useful() || cost == 0 || k.projected(o.Backlog, r) <= act*k.fresh {
		return 0
	}
	capacity := 1 / cost
	excess := float64(o.Backlog) - act*k.fresh*capacity
	if gain := capacity - k.load.fast; gain > 0 && excess <= gain*k.fresh {
		return 0
	}
	leave := k.fresh / 8 * capacity
	if float64(o.Backlog) <= leave {
		return 0
	}
	return o.Backlog - uint64(leave)
}

// spare is the share of time that is left for healing, a tenth kept back.
func (k *Controller) spare(r Rate) float64 {
	return max(0, 0.9-max(k.load.mean, k.load.fast)*k.costs.at(r))
}

// Freshness is the predicted freshness of the last decision.
func (k *Controller) Freshness() time.Duration {
	return time.Duration(min(k.decision.Strain*k.fresh, math.MaxInt32) * float64(time.Second))
}
