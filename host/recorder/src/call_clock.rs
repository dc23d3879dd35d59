//! How much time has passed on one call.

use std::sync::Arc;

use caveat_model::{Clock, Offset};

/// Where a call's time comes from.
pub(crate) enum CallClock {
    /// It happens now. Its time is that of the host's ticks, whatever the machine's clock is set to meanwhile.
    Live { clock: Arc<dyn Clock>, began_ticks_ms: u64 },
    /// It was recorded elsewhere and is over: its time moves as its recording is read, as fast as that goes.
    Told { passed: Offset },
}

impl CallClock {
    /// A call that begins now.
    pub(crate) fn live(clock: Arc<dyn Clock>) -> Self {
        let began_ticks_ms = clock.ticks_ms();
        Self::Live { clock, began_ticks_ms }
    }

    /// Milliseconds since the call began.
    pub(crate) fn passed(&self) -> Offset {
        match self {
            Self::Live { clock, began_ticks_ms } => {
                let passed = clock.ticks_ms().saturating_sub(*began_ticks_ms);
                Offset::try_from(passed).unwrap_or(Offset::MAX)
            }
            Self::Told { passed } => *passed,
        }
    }

    /// The recording has been read this far. A live call has no need to be told.
    pub(crate) fn tell(&mut self, at: Offset) {
        if let Self::Told { passed } = self {
            *passed = at.max(*passed);
        }
    }

    /// Whether nothing more can be heard or said once the call has ended.
    pub(crate) fn ends_at_once(&self) -> bool {
        matches!(self, Self::Told { .. })
    }
}
