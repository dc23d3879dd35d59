//! How many packets may come.

/// A second's packets may come at once: after a stall they do.
const BURST_S: f64 = 1.0;

/// So many packets a second, and those of a second at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    per_second: f64,
    left: f64,
    /// When that was reckoned.
    at: f64,
}

impl Allowance {
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, left: per_second * BURST_S, at: 0.0 }
    }

    /// Whether one more may come now.
    pub(super) fn takes(&mut self, now: f64) -> bool {
        let since = (now - self.at).max(0.0);
        let left = (self.left + since * self.per_second).min(self.per_second * BURST_S);
        let may_come = left >= 1.0;
        (self.left, self.at) = ((left - 1.0).max(0.0), now.max(self.at));
        may_come
    }
}
