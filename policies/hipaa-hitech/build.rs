//! Turns the facts of law in `data/` into static tables, so that the guest carries no parser. Whatever is wrong with a
//! row stops the build here, with the row's name.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::Path,
};

use serde::{Deserialize, de::DeserializeOwned};

fn main() {
    println!("cargo::rerun-if-changed=data");
    println!("cargo::rerun-if-changed=build.rs");
    let mut out = String::new();
    retention(read("medical-record-retention.toml"), &mut out);
    periods(read("periods.toml"), &mut out);
    identifiers(read("identifiers.toml"), &mut out);
    minimum_necessary(read("minimum-necessary.toml"), &mut out);
    words(read("words.toml"), &mut out);
    state_breach(read("state-breach.toml"), &mut out);
    pack_law::build::unsure();
    let dir = env::var("OUT_DIR").unwrap_or_else(|_| fail("cargo sets OUT_DIR"));
    fs::write(Path::new(&dir).join("tables.rs"), out).unwrap_or_else(|e| fail(&e.to_string()));
}

fn fail(what: &str) -> ! {
    println!("cargo::error={what}");
    std::process::exit(1)
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    let text = fs::read_to_string(Path::new("data").join(name))
        .unwrap_or_else(|e| fail(&format!("data/{name}: {e}")));
    toml::from_str(&text).unwrap_or_else(|e| fail(&format!("data/{name}: {e}")))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Retention {
    default: Fallback,
    state: Vec<State>,
    federal: Vec<Federal>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Fallback {
    years: u16,
    minor_until_age: u16,
    majority: u16,
    citation: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct State {
    code: String,
    majority: Option<u16>,
    #[serde(default)]
    citation: String,
    source: String,
    confidence: String,
    checked: Option<String>,
    physician: Holder,
    hospital: Holder,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Holder {
    years: Option<u16>,
    minor: Option<Minor>,
    citation: Option<String>,
    confidence: Option<String>,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Minor {
    years: Option<u16>,
    until_age: Option<u16>,
    past_majority: Option<u16>,
    #[serde(default)]
    as_adult: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Federal {
    programs: Vec<String>,
    years: u16,
    citation: String,
    source: String,
    confidence: String,
}

fn retention(data: Retention, out: &mut String) {
    const PLACES: usize = 54;
    let Fallback { years, minor_until_age, majority, citation } = data.default;
    line(
        out,
        &format!(
            "pub(crate) static DEFAULT: Fallback = \
             Fallback {{ years: {years}, minor_until_age: {minor_until_age}, majority: {majority}, citation: {citation:?} }};"
        ),
    );
    let mut states: Vec<State> = data.state;
    states.sort_by(|a, b| a.code.cmp(&b.code));
    let codes: BTreeSet<&str> = states.iter().map(|s| s.code.as_str()).collect();
    if codes.len() != PLACES || states.len() != PLACES {
        fail(&format!(
            "{} rows for {} of the {PLACES} states, districts and territories",
            states.len(),
            codes.len()
        ));
    }
    line(out, "pub(crate) static STATES: &[State] = &[");
    for state in &states {
        check_origin(&state.code, &state.source, &state.confidence);
        check_dated(&state.code, state.checked.as_deref());
        let majority = state.majority.unwrap_or(data.default.majority);
        let physician = holder(state, &state.physician);
        let hospital = holder(state, &state.hospital);
        let code = &state.code;
        line(
            out,
            &format!(
                "State {{ code: {code:?}, majority: {majority}, physician: {physician}, hospital: {hospital} }},"
            ),
        );
    }
    line(out, "];");
    line(out, "pub(crate) static FEDERAL: &[Federal] = &[");
    for row in &data.federal {
        check_origin(&row.citation, &row.source, &row.confidence);
        let Federal { programs, years, citation, .. } = row;
        line(out, &format!("Federal {{ programs: &{programs:?}, years: {years}, citation: {citation:?} }},"));
    }
    line(out, "];");
}

fn holder(state: &State, holder: &Holder) -> String {
    let confidence = holder.confidence.as_ref().unwrap_or(&state.confidence);
    check_origin(&state.code, &state.source, confidence);
    let minor = holder.minor.as_ref().map(|m| {
        let any = m.years.or(m.until_age).or(m.past_majority).is_some();
        if any == m.as_adult {
            fail(&format!("{}: a minor rule is either `as-adult` or at least one period", state.code));
        }
        format!(
            "Minor {{ years: {:?}, until_age: {:?}, past_majority: {:?} }}",
            m.years, m.until_age, m.past_majority
        )
    });
    let citation = holder.citation.as_ref().unwrap_or(&state.citation);
    if citation.is_empty() && (holder.years.is_some() || minor.is_some()) {
        fail(&format!("{}: a period without a citation", state.code));
    }
    let minor = minor.map_or("None".to_owned(), |m| format!("Some({m})"));
    let Holder { years, note, .. } = holder;
    let sure = confidence_variant(confidence);
    format!(
        "Holder {{ years: {years:?}, minor: {minor}, citation: {citation:?}, confidence: {sure}, note: {note:?} }}"
    )
}

fn check_origin(row: &str, source: &str, confidence: &str) {
    if !["V", "V2", "K"].contains(&source) {
        fail(&format!("{row}: source `{source}` is neither V, V2 nor K"));
    }
    confidence_variant(confidence);
}

/// When it was last held against which text, where it says so.
fn check_dated(row: &str, checked: Option<&str>) {
    let dated = |text: &str| {
        text.split_once(": ").is_some_and(|(day, against)| day.len() == 10 && !against.is_empty())
    };
    if checked.is_some_and(|text| !dated(text)) {
        fail(&format!("{row}: checked is written as `2026-11-28: against which text`"));
    }
}

fn confidence_variant(word: &str) -> &'static str {
    match word {
        "high" => "Confidence::High",
        "medium" => "Confidence::Medium",
        "low" => "Confidence::Low",
        other => fail(&format!("confidence `{other}` is neither high, medium nor low")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Periods {
    number: Vec<Number>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Number {
    name: String,
    value: u16,
    citation: String,
    checked: Option<String>,
}

fn periods(data: Periods, out: &mut String) {
    for Number { name, value, citation, checked } in data.number {
        check_dated(&name, checked.as_deref());
        let constant = name.replace('-', "_").to_ascii_uppercase();
        line(out, &format!("/// {citation}\npub(crate) const {constant}: u16 = {value};"));
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identifiers {
    citation: String,
    identifier: Vec<Identifier>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Identifier {
    letter: char,
    name: String,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    limited: bool,
    #[serde(default)]
    in_audio: bool,
}

fn identifiers(data: Identifiers, out: &mut String) {
    let letters: String = data.identifier.iter().map(|i| i.letter).collect();
    if letters != "ABCDEFGHIJKLMNOPQR" {
        fail(&format!("{}: the safe harbor has the identifiers A to R, not {letters}", data.citation));
    }
    line(out, "pub(crate) static IDENTIFIERS: &[Identifier] = &[");
    for Identifier { letter, name, labels, limited, in_audio } in data.identifier {
        let labels = label_kinds(&labels);
        line(
            out,
            &format!(
                "Identifier {{ letter: {letter:?}, name: {name:?}, labels: {labels}, limited: {limited}, in_audio: {in_audio} }},"
            ),
        );
    }
    line(out, "];");
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hidden {
    hide: Vec<String>,
}

fn minimum_necessary(data: BTreeMap<String, Hidden>, out: &mut String) {
    let named: Vec<&str> = data.keys().map(String::as_str).collect();
    if named != ["operations", "payment", "teaching"] {
        fail(&format!("minimum-necessary.toml: operations, payment and teaching are wanted, not {named:?}"));
    }
    for (name, Hidden { hide }) in data {
        let kinds = label_kinds(&hide);
        line(out, &format!("pub(crate) static HIDE_{}: &[LabelKind] = {kinds};", name.to_ascii_uppercase()));
    }
}

fn label_kinds(words: &[String]) -> String {
    let kinds: Vec<String> = words.iter().map(|w| format!("LabelKind::{}", pascal(w))).collect();
    format!("&[{}]", kinds.join(", "))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateBreach {
    state: Vec<BreachClock>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct BreachClock {
    code: String,
    days: u16,
    regulator_days: Option<u16>,
    regulator_from: Option<u16>,
    #[serde(default)]
    yields: bool,
    #[serde(default)]
    exempts: bool,
    citation: String,
    note: String,
    source: String,
    confidence: String,
    checked: Option<String>,
}

fn state_breach(data: StateBreach, out: &mut String) {
    line(out, "pub(crate) static BREACH_CLOCKS: &[BreachClock] = &[");
    for clock in data.state {
        let BreachClock { code, days, yields, exempts, citation, note, source, confidence, checked, .. } =
            clock;
        check_origin(&code, &source, &confidence);
        check_dated(&code, checked.as_deref());
        if yields && exempts {
            fail(&format!("{code}: a statute that does not apply does not yield"));
        }
        let regulator = match (clock.regulator_days, clock.regulator_from) {
            (None, None) => "None".to_owned(),
            (Some(days), Some(from)) => format!(
                "Some(Regulator {{ days: {days}, from: {from}, action: \"notify-attorney-general-{days}-days\" }})"
            ),
            _ => fail(&format!("{code}: regulator-days and regulator-from come together")),
        };
        line(
            out,
            &format!(
                "BreachClock {{ code: {code:?}, days: {days}, regulator: {regulator}, yields: {yields}, exempts: {exempts}, citation: {citation:?}, note: {note:?} }},"
            ),
        );
    }
    line(out, "];");
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    job: BTreeMap<String, Vec<String>>,
    purpose: BTreeMap<String, Vec<String>>,
    documentation: List,
    sanitized: List,
    health: List,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    words: Vec<String>,
}

fn words(data: Words, out: &mut String) {
    for (name, ty, table) in [("JOBS", "Job", data.job), ("PURPOSES", "Purpose", data.purpose)] {
        let mut rows = BTreeMap::new();
        for (kind, words) in table {
            for word in words {
                if rows.insert(word.clone(), pascal(&kind)).is_some() {
                    fail(&format!("words.toml: `{word}` is listed twice under {name}"));
                }
            }
        }
        line(out, &format!("/// Sorted by word.\npub(crate) static {name}: &[(&str, {ty})] = &["));
        for (word, kind) in rows {
            line(out, &format!("({word:?}, {ty}::{kind}),"));
        }
        line(out, "];");
    }
    for (name, list) in
        [("DOCUMENTATION", data.documentation), ("SANITIZED", data.sanitized), ("HEALTH_WORDS", data.health)]
    {
        let words: BTreeSet<String> = list.words.into_iter().collect();
        line(out, &format!("/// Sorted.\npub(crate) static {name}: &[&str] = &["));
        for word in words {
            line(out, &format!("{word:?},"));
        }
        line(out, "];");
    }
}

fn pascal(word: &str) -> String {
    word.split('-').map(|part| part[..1].to_ascii_uppercase() + &part[1..]).collect()
}

fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{text}");
}
