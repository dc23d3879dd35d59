//! What kind of call it is, as somebody said; what nobody said is the strictest.

use caveat_sdk::Facts;
use pack_law::{is_listed, known};

use crate::law;

/// Of a call or its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sales,
    /// Also a call of which nobody said anything: it may hold an enrollment.
    Enrollment,
    /// Neither marketing nor enrollment.
    Other,
}

impl Kind {
    pub(crate) fn of(facts: &Facts) -> Self {
        let said = known::word(facts, &["retention.class", "call.topic", "call.kind"]);
        match said {
            Some(word) if is_listed(law::SALES_CALLS, &word) => Self::Sales,
            Some(word) if is_listed(law::OTHER_CALLS, &word) => Self::Other,
            // Words for enrollment, and words that nobody knows.
            _ => Self::Enrollment,
        }
    }
}
