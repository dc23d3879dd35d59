//! What is counted of a client is there from the start, at zero: a counter that appears with its first count has not
//! increased for whoever watches for an increase, and the first call that was lost would wake nobody.

use caveat_model::ClientId;
use metrics::counter;

use crate::Flaw;

const OF_CLIENT: [&str; 3] =
    ["caveat_calls_without_room_total", "caveat_calls_over_quota_total", "caveat_rulings_over_quota_total"];

pub(crate) fn from_zero(client: &ClientId) {
    for name in OF_CLIENT {
        counter!(name, "client" => client.to_string()).increment(0);
    }
    for flaw in Flaw::ALL.into_iter().filter(|flaw| flaw.alarms()) {
        counter!("caveat_assurance_flaws_total", "client" => client.to_string(), "flaw" => flaw.word())
            .increment(0);
    }
}
