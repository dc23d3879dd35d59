//! Where the clock of a source stands against the clock of the call.
//!
//! A packet cannot arrive before it was sent, so the earliest arrivals tell most: the line beneath all points (media time,
//! delay), as close to them as can be, is the least delay and its drift (S. Moon, P. Skelly, D. Towsley: Estimation and
//! removal of clock skew from network delay measurements, 1999). Jitter lifts points, and lets the line be.

use std::collections::VecDeque;

/// Points that are kept; each is the least delay of one block of time.
const POINTS: usize = 64;
/// How long a block is at first, in seconds; it doubles whenever there are too many points...
const BLOCK_S: f64 = 0.5;
/// ... up to this. So the line rests on the last four minutes.
const BLOCK_MAX_S: f64 = 4.0;
/// A drift is told only from this much time on, in seconds: jitter looks like drift when looked at for short.
const SPAN_MIN_S: f64 = 10.0;
/// Clocks differ by less than this: 500 ppm. What seems more is something else.
const DRIFT_MAX: f64 = 500e-6;
/// Delays that fall by more than this at once, in seconds, were longer than they had to be up to then.
const FALL_S: f64 = 0.002;

#[derive(Debug, Clone, Copy)]
struct Point {
    media: f64,
    delay: f64,
}

/// Media time to call time. All times are seconds; a delay is call time minus media time.
#[derive(Debug, Clone)]
pub(super) struct WallClock {
    points: VecDeque<Point>,
    block_s: f64,
    /// The block that is being filled: where it began, and its least delay.
    block: Option<(f64, Point)>,
    /// The line: a point on it, and its slope.
    on: Point,
    drift: f64,
}

impl WallClock {
    /// Anchored where a packet that ends at `media` had `delay`, with a drift known from before.
    pub(super) fn new(media: f64, delay: f64, drift: f64) -> Self {
        let on = Point { media, delay };
        Self { points: VecDeque::new(), block_s: BLOCK_S, block: None, on, drift }
    }

    /// The least delay at `media`.
    pub(super) fn delay(&self, media: f64) -> f64 {
        self.on.delay + self.drift * (media - self.on.media)
    }

    /// How much slower than the call's the source's clock is: 100e-6 is 100 ppm.
    pub(super) fn drift(&self) -> f64 {
        self.drift
    }

    /// A packet that ends at `media` had this delay.
    pub(super) fn observe(&mut self, media: f64, delay: f64) {
        let point = Point { media, delay };
        if self.delay(media) - delay > FALL_S {
            self.points.clear();
            (self.block, self.on) = (Some((media, point)), point);
            return;
        }
        match &mut self.block {
            Some((began, least)) if media < *began + self.block_s => {
                if delay - least.delay < self.drift * (media - least.media) {
                    *least = point;
                }
            }
            block => {
                if let Some((_, full)) = block.replace((media, point)) {
                    self.close(full);
                }
            }
        }
        if delay < self.delay(media) {
            self.on = point;
        }
    }

    fn close(&mut self, point: Point) {
        // Media time that steps back is a packet in the wrong order; points have to be in order.
        if self.points.back().is_some_and(|last| last.media >= point.media) {
            return;
        }
        self.points.push_back(point);
        if self.points.len() > POINTS {
            if self.block_s < BLOCK_MAX_S {
                self.block_s *= 2.0;
                self.halve();
            } else {
                self.points.pop_front();
            }
        }
        self.fit();
    }

    /// Of every two points, the lower one remains.
    fn halve(&mut self) {
        let drift = self.drift;
        let points: Vec<Point> = self.points.drain(..).collect();
        self.points = points
            .chunks(2)
            .filter_map(|pair| {
                pair.iter()
                    .copied()
                    .reduce(|a, b| if b.delay - a.delay < drift * (b.media - a.media) { b } else { a })
            })
            .collect();
    }

    /// The edge of the lower convex hull below the middle of the points: of all lines beneath them, it is the closest.
    fn fit(&mut self) {
        let (Some(first), Some(last)) = (self.points.front().copied(), self.points.back().copied()) else {
            return;
        };
        if last.media - first.media >= SPAN_MIN_S {
            let mut hull: Vec<Point> = Vec::with_capacity(self.points.len());
            for point in &self.points {
                while let [.., a, b] = hull.as_slice()
                    && (b.delay - a.delay) * (point.media - a.media)
                        >= (point.delay - a.delay) * (b.media - a.media)
                {
                    hull.pop();
                }
                hull.push(*point);
            }
            let middle = self.points.iter().map(|p| p.media).sum::<f64>() / self.points.len() as f64;
            let edge = hull.windows(2).find(|edge| edge[1].media >= middle);
            if let Some([a, b]) = edge {
                self.drift = ((b.delay - a.delay) / (b.media - a.media)).clamp(-DRIFT_MAX, DRIFT_MAX);
            }
        }
        let drift = self.drift;
        let height = |p: &Point| p.delay - drift * (p.media - first.media);
        if let Some(lowest) = self.points.iter().copied().min_by(|a, b| height(a).total_cmp(&height(b))) {
            self.on = lowest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator of the same numbers every time (numerical recipes' linear congruence).
    fn noise(seed: u32) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1u32 << 24)
        }
    }

    /// The largest error, in samples at 8,000 Hz, from `after` on, over `seconds` of packets of 20 ms.
    fn worst(
        seconds: u32,
        after: u32,
        true_delay: impl Fn(f64) -> f64,
        mut jitter: impl FnMut(f64) -> f64,
    ) -> f64 {
        let mut worst: f64 = 0.0;
        let mut clock: Option<WallClock> = None;
        for n in 0..seconds * 50 {
            let media = f64::from(n) * 0.02;
            let delay = true_delay(media) + jitter(media);
            let clock = clock.get_or_insert_with(|| WallClock::new(media, delay, 0.0));
            clock.observe(media, delay);
            if n >= after * 50 {
                worst = worst.max((clock.delay(media) - true_delay(media)).abs() * 8_000.0);
            }
        }
        worst
    }

    #[test]
    fn drift_and_jitter_leave_less_than_a_sample() {
        for ppm in [-100.0, -20.0, 0.0, 3.0, 100.0, 300.0] {
            let mut random = noise(5);
            // Uniform jitter of 30 ms, and now and then a stall.
            let jitter = |_| random() * 0.030 + if random() > 0.999 { 0.4 } else { 0.0 };
            let error = worst(3_600, 120, |media| 0.05 + media * ppm * 1e-6, jitter);
            assert!(error < 4.0, "{ppm} ppm: {error} samples");
        }
    }

    #[test]
    fn a_path_that_gets_shorter_is_followed_at_once_and_a_longer_one_slowly() {
        let mut random = noise(9);
        let shorter = worst(600, 302, |media| if media < 300.0 { 0.08 } else { 0.05 }, |_| random() * 0.004);
        assert!(shorter < 8.0, "{shorter} samples");
        // Nobody can say whether the way is longer now, or the sender has let 30 ms pass in silence.
        let mut clock = WallClock::new(0.0, 0.05, 0.0);
        let mut media = 0.0;
        let mut after = |seconds: u32, delay: f64| {
            for _ in 0..seconds * 50 {
                media += 0.02;
                clock.observe(media, delay);
            }
            clock.delay(media) - 0.05
        };
        after(250, 0.05);
        let (soon, late) = (after(60, 0.08), after(300, 0.08));
        assert!(soon < 0.001 && late > 0.029, "{soon}, {late} seconds");
    }

    #[test]
    fn congestion_of_ten_seconds_changes_little() {
        let mut random = noise(3);
        let jitter = |media: f64| random() * 0.002 + if (200.0..210.0).contains(&media) { 0.1 } else { 0.0 };
        let error = worst(400, 100, |_| 0.02, jitter);
        assert!(error < 4.0, "{error} samples");
    }
}
