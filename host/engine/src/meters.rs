//! What is counted of each pack. The handles are made once, at load: a ruling formats no label.

use std::time::Duration;

use caveat_model::{Outcome, Stage};
use metrics::{Counter, Histogram, counter, histogram};

use crate::{Answer, Failure};

const OUTCOMES: [Outcome; 3] = [Outcome::Allow, Outcome::Restrain, Outcome::Refuse];

/// The outcome under which a ruling that failed is counted.
const FAILED: &str = "failed";

const FAILURES: &str = "caveat_pack_failures_total";

/// The meters of one pack.
pub(crate) struct Meters {
    pack: String,
    capture: ByOutcome,
    storage: ByOutcome,
    access: ByOutcome,
    seconds: Histogram,
    fuel: Counter,
}

struct ByOutcome {
    answered: [Counter; 3],
    failed: Counter,
}

impl Meters {
    /// Of a pack that answers for some stages. They belong to the recorder that is installed now.
    pub(crate) fn register(pack: &str, answers: impl Fn(Stage) -> bool) -> Self {
        let pack = pack.to_owned();
        // Whoever watches for an increase would miss the first of a counter that was not there.
        for limit in Failure::LIMITS {
            counter!(FAILURES, "pack" => pack.clone(), "limit" => limit).increment(0);
        }
        let stage = |stage| match answers(stage) {
            true => ByOutcome::register(&pack, stage),
            false => ByOutcome::none(),
        };
        Self {
            capture: stage(Stage::Capture),
            storage: stage(Stage::Storage),
            access: stage(Stage::Access),
            seconds: histogram!("caveat_pack_ruling_seconds", "pack" => pack.clone()),
            fuel: counter!("caveat_pack_fuel_total", "pack" => pack.clone()),
            pack,
        }
    }

    /// One ruling, whatever came of it. `fuel` is what it used, also where it failed.
    pub(crate) fn ruled(&self, stage: Stage, result: &Result<Answer, Failure>, fuel: u64, took: Duration) {
        let by_outcome = match stage {
            Stage::Capture => &self.capture,
            Stage::Storage => &self.storage,
            Stage::Access => &self.access,
        };
        match result {
            Ok(answer) => by_outcome.of(answer.ruling.outcome).increment(1),
            Err(failure) => {
                by_outcome.failed.increment(1);
                failed(&self.pack, failure);
            }
        }
        self.seconds.record(took);
        self.fuel.increment(fuel);
    }
}

impl ByOutcome {
    fn register(pack: &str, stage: Stage) -> Self {
        let of = |outcome: &'static str| {
            let (pack, stage) = (pack.to_owned(), stage.to_string());
            counter!("caveat_pack_rulings_total", "pack" => pack, "stage" => stage, "outcome" => outcome)
        };
        Self { answered: OUTCOMES.map(|outcome| of(outcome.word(stage))), failed: of(FAILED) }
    }

    fn none() -> Self {
        Self { answered: OUTCOMES.map(|_| Counter::noop()), failed: Counter::noop() }
    }

    fn of(&self, outcome: Outcome) -> &Counter {
        let [allow, restrain, refuse] = &self.answered;
        match outcome {
            Outcome::Allow => allow,
            Outcome::Restrain => restrain,
            Outcome::Refuse => refuse,
        }
    }
}

/// A pack that failed, in a ruling or in `configure`: by the limit that stopped it.
pub(crate) fn failed(pack: &str, failure: &Failure) {
    let pack = pack.to_owned();
    counter!(FAILURES, "pack" => pack, "limit" => failure.limit()).increment(1);
}

/// Lines that a pack wrote and nobody kept.
pub(crate) fn lines_dropped(pack: &str, lines: u64) {
    counter!("caveat_pack_log_lines_dropped_total", "pack" => pack.to_owned()).increment(lines);
}
