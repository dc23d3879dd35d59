//! What the client is, by its settings and by what comes with a call.

use caveat_sdk::Facts;
use pack_law::{is_listed, known};
use serde::Deserialize;

use crate::law;

/// A client's settings; `settings.schema.json` completes and describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    pub(crate) firm: Vec<Kind>,
    taping_firm: bool,
    registered_persons: u32,
    from_disciplined_firms: u32,
    pub(crate) nfa_enhanced_supervision: bool,
    pub(crate) store: Store,
    pub(crate) counsel_confirmed: Vec<String>,
}

/// Whose rules bind a firm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// SEC and FINRA.
    BrokerDealer,
    /// 17 CFR 1.35(a).
    Futures,
    /// 17 CFR 23.202, major swap participants too.
    SwapDealer,
    /// Investment Advisers Act.
    Adviser,
    /// 17 CFR 240.18a-6.
    SecurityBasedSwapDealer,
}

/// The ways of 17 CFR 240.17a-4(f)(2)(i).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// One or the other.
    Either,
    /// Nobody can rewrite it.
    Worm,
    /// The original can be created again.
    AuditTrail,
}

impl Settings {
    /// By what comes with the call, if it says what the client is; else by setting.
    pub(crate) fn is(&self, kind: Kind, facts: &Facts) -> bool {
        const TOLD: [(&str, Kind); 5] = [
            ("tenant.broker-dealer", Kind::BrokerDealer),
            ("tenant.fcm", Kind::Futures),
            ("tenant.introducing-broker", Kind::Futures),
            ("tenant.swap-dealer", Kind::SwapDealer),
            ("tenant.adviser", Kind::Adviser),
        ];
        let mut told = TOLD.iter().filter(|(name, _)| known::is(facts, &[name])).peekable();
        if kind == Kind::Futures && is_small_introducing_broker(facts) {
            return false;
        }
        match told.peek() {
            Some(_) => told.any(|(_, one)| *one == kind),
            None => self.firm.contains(&kind),
        }
    }

    pub(crate) fn is_taping_firm(&self, facts: &Facts) -> bool {
        self.reaches_the_threshold()
            || known::flag(facts, &["tenant.taping-firm"]).unwrap_or(self.taping_firm)
    }

    /// By how many registered persons came from disciplined firms; never where nobody gave the numbers.
    pub(crate) fn reaches_the_threshold(&self) -> bool {
        let (all, from) = (u64::from(self.registered_persons), u64::from(self.from_disciplined_firms));
        let at_least = |percent: u32| from * 100 >= all * u64::from(percent);
        if all >= law::LARGE_FIRM_FROM_PERSONS.value.into() {
            at_least(law::LARGE_FIRM_PERCENT.value)
        } else if all >= law::MIDDLE_FIRM_FROM_PERSONS.value.into() {
            from >= law::MIDDLE_FIRM_PERSONS.value.into()
        } else {
            all >= law::SMALL_FIRM_FROM_PERSONS.value.into() && at_least(law::SMALL_FIRM_PERCENT.value)
        }
    }
}

/// One whose revenue is known not to be over the sum from which it has to record.
fn is_small_introducing_broker(facts: &Facts) -> bool {
    let over = u64::from(law::INTRODUCING_BROKER_OVER_USD.value);
    known::is(facts, &["tenant.introducing-broker"])
        && !known::is(facts, &["tenant.fcm"])
        && known::count(facts, &["tenant.revenue-usd"]).is_some_and(|usd| usd <= over)
}

/// Whether it is known that no transaction comes of the call.
pub(crate) fn is_unrelated(facts: &Facts) -> bool {
    match known::flag(facts, &["call.leads-to-transaction"]) {
        Some(leads) => !leads,
        None => known::word(facts, &["call.topic"]).is_some_and(|t| is_listed(law::UNRELATED_TOPICS, &t)),
    }
}
