//! The smallest event and facts that still show what is wrong: parts are left out as long as it stays wrong.

use caveat_model::{Event, Facts};
use serde_json::{Value, json};

/// How often a smaller form may be tried; each try is a ruling or two.
const TRIES: usize = 2_000;

/// `still_wrong` is asked of each smaller form.
pub(crate) fn smallest(
    event: Event,
    facts: Facts,
    mut still_wrong: impl FnMut(&Event, &Facts) -> bool,
) -> (Event, Facts) {
    let mut best = (event, facts);
    let mut tries = TRIES;
    loop {
        let whole = json!({ "event": best.0, "facts": best.1 });
        let mut paths = Vec::new();
        paths_in(&whole, String::new(), &mut paths);
        let smaller = paths.iter().find_map(|path| {
            if tries == 0 {
                return None;
            }
            tries -= 1;
            let (event, facts) = read(without(&whole, path))?;
            let changed = (&event, &facts) != (&best.0, &best.1);
            (changed && still_wrong(&event, &facts)).then_some((event, facts))
        });
        match smaller {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

/// JSON pointers of all that could be left out, the largest parts first.
fn paths_in(value: &Value, at: String, into: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(all) => all
            .iter()
            .map(|(k, v)| (format!("{at}/{}", k.replace('~', "~0").replace('/', "~1")), v))
            .collect(),
        Value::Array(all) => all.iter().enumerate().map(|(n, v)| (format!("{at}/{n}"), v)).collect(),
        _ => return,
    };
    into.extend(children.iter().map(|(path, _)| path.clone()));
    for (path, child) in children {
        paths_in(child, path, into);
    }
}

fn without(whole: &Value, path: &str) -> Value {
    let mut whole = whole.clone();
    let Some((parent, last)) = path.rsplit_once('/') else { return whole };
    match whole.pointer_mut(parent) {
        Some(Value::Object(all)) => drop(all.remove(last)),
        Some(Value::Array(all)) => {
            if let Some(n) = last.parse().ok().filter(|n| *n < all.len()) {
                all.remove(n);
            }
        }
        _ => {}
    }
    whole
}

/// None when it is no event any more, or the same as before because a default took the place of what was left out.
fn read(mut smaller: Value) -> Option<(Event, Facts)> {
    let event = serde_json::from_value(smaller["event"].take()).ok()?;
    // Without a clock it could not be put to `caveat decide`.
    smaller["facts"].get("now")?;
    let facts: Facts = serde_json::from_value(smaller["facts"].take()).ok()?;
    crate::decide::check_party(&event, &facts).ok()?;
    Some((event, facts))
}
