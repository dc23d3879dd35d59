//! Turns `data/*.toml` into the static tables of `places` and `relief`, and refuses data that contradict themselves.

use std::{collections::BTreeSet, env, error::Error, fmt::Write as _, fs, path::Path};

use serde::Deserialize;

const LAW: &str = "data/us-recording-consent.toml";
const OPTIONS: &str = "data/options.toml";
const JURISDICTIONS: usize = 55;

/// Stand-ins for places without a row. Any row may turn out to apply, so only forms that satisfy every row will do.
const STRICTEST: [(&str, &str, &str); 3] = [
    ("UNKNOWN", "An unknown place", "No evidence of place: the strictest rule applies"),
    ("ABROAD", "Another country", "Outside the US table: the strictest rule applies"),
    ("TERRITORY", "A US territory without a rule of its own here", "18 U.S.C. 2511(2)(d) is only the floor"),
];

/// Whoever is in no known place may be in any of them: what any jurisdiction forbids, it forbids.
const MAY_BE_ANYWHERE: &str = "UNKNOWN";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Law {
    jurisdiction: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    code: String,
    name: String,
    telephone_consent: Consent,
    engine_class: Consent,
    statute: String,
    satisfied_by: Vec<Form>,
    #[serde(default)]
    express_must_be_captured: bool,
    #[serde(default)]
    notice_must_be_recorded: bool,
    beep_interval_s: Option<u16>,
    minor_rule: Option<String>,
    in_person: Option<String>,
    emergency_line: Option<String>,
    emergency_nature: Option<String>,
    threats: Option<String>,
    vendor: Option<String>,
    telephone_utility: Option<String>,
    public_body: Option<String>,
    harassment: Option<String>,
    telemarketer_called: Option<String>,
    evidence: Option<String>,
    reach: Reach,
    doubt: Option<String>,
    implied_consent: Option<String>,
    #[serde(rename = "satisfied_detail", default)]
    _satisfied_detail: String,
    #[serde(rename = "note")]
    _note: String,
    #[serde(rename = "exceptions", default)]
    _exceptions: Vec<String>,
    #[serde(rename = "verified")]
    _verified: Verified,
    #[serde(rename = "confidence")]
    _confidence: Confidence,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Consent {
    OneParty,
    AllParty,
    Mixed,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Reach {
    Nationwide,
    PartyInState,
    PlaceOfRecording,
    Unsettled,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Form {
    Participant,
    Express,
    NoticeAndContinue,
    RecordedAnnouncement,
    BeepTone,
    Written,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verified {
    PrimaryTranscript,
    StoredText,
    Knowledge,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Confidence {
    High,
    Medium,
    Low,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    relief: Vec<Relief>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relief {
    option: String,
    #[serde(default)]
    also: Vec<String>,
    place: String,
    rule: String,
    citation: String,
    message: String,
    #[serde(default)]
    agent_on_call: bool,
    #[serde(default)]
    vendor_free: bool,
    #[serde(default)]
    recorded_outside: bool,
    #[serde(default)]
    told: bool,
    #[serde(default)]
    said: String,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    kind_unknown: bool,
    #[serde(default)]
    purposes: Vec<String>,
    destroy_within_days: Option<u32>,
    #[serde(default)]
    no_third_party: bool,
    #[serde(default)]
    tasks: Vec<String>,
    #[serde(rename = "verified")]
    _verified: Verified,
    #[serde(rename = "confidence")]
    _confidence: Confidence,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut law: Law = read(LAW)?;
    let options: Options = read(OPTIONS)?;
    law.jurisdiction.sort_by(|a, b| a.code.cmp(&b.code));
    check(&law, &options)?;
    pack_law::build::unsure();
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("places.rs"), places(&law.jurisdiction)?)?;
    fs::write(Path::new(&out).join("relief.rs"), relief(&law.jurisdiction, &options.relief)?)?;
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(path: &str) -> Result<T, String> {
    println!("cargo::rerun-if-changed={path}");
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    toml::from_str(&text).map_err(|e| format!("{path}: {e}"))
}

fn check(law: &Law, options: &Options) -> Result<(), String> {
    let codes: BTreeSet<&str> = law.jurisdiction.iter().map(|row| row.code.as_str()).collect();
    if codes.len() != JURISDICTIONS || law.jurisdiction.len() != JURISDICTIONS || !codes.contains("US") {
        return Err(format!(
            "{LAW}: {JURISDICTIONS} different jurisdictions with the federal one are wanted"
        ));
    }
    for row in &law.jurisdiction {
        let wrong = |why: &str| Err(format!("{LAW}: {}: {why}", row.code));
        let has = |form| row.satisfied_by.contains(&form);
        if row.engine_class == Consent::Mixed {
            return wrong("the class that is enforced is one-party or all-party");
        }
        if row.telephone_consent != Consent::OneParty && row.engine_class == Consent::OneParty {
            return wrong("it is enforced more laxly than the law stands");
        }
        if has(Form::Participant) != (row.engine_class == Consent::OneParty) {
            return wrong("`participant` satisfies one-party jurisdictions, and those only");
        }
        if row.notice_must_be_recorded && has(Form::NoticeAndContinue) {
            return wrong("a notice that must be recorded cannot satisfy it unrecorded");
        }
        if has(Form::BeepTone) && row.engine_class == Consent::AllParty && row.beep_interval_s.is_none() {
            return wrong("a tone needs its interval");
        }
        if row.statute.is_empty() {
            return wrong("it cites nothing");
        }
        if row.implied_consent.is_some() && !(has(Form::NoticeAndContinue) && strict(row)) {
            return wrong("implied consent is of a place that asks for everybody's and accepts a notice");
        }
        let is_stricter_than_the_law = row.telephone_consent != row.engine_class;
        if is_stricter_than_the_law && row.code != "CT" && row.doubt.is_none() {
            return wrong("it is enforced more strictly than the law stands, and does not say why");
        }
    }
    for relief in &options.relief {
        let wrong = |why: &str| Err(format!("{OPTIONS}: {}: {why}", relief.option));
        let Some(row) = law.jurisdiction.iter().find(|row| row.code == relief.place) else {
            return wrong("its place is no jurisdiction");
        };
        if relief.recorded_outside && row.reach != Reach::PlaceOfRecording {
            return wrong("that statute is not known to stop at its border");
        }
    }
    Ok(())
}

fn strict(row: &Row) -> bool {
    row.engine_class == Consent::AllParty
}

/// The forms that satisfy a row. A captured "yes" is a "yes" too.
fn forms(row: &Row) -> Vec<&'static str> {
    let mut names = Vec::new();
    for form in &row.satisfied_by {
        names.extend_from_slice(match form {
            Form::Participant => &["PARTICIPANT"][..],
            Form::Express if row.express_must_be_captured => &["CAPTURED"],
            Form::Express => &["EXPRESS", "CAPTURED"],
            Form::NoticeAndContinue => &["NOTICE"],
            Form::RecordedAnnouncement => &["RECORDED"],
            Form::BeepTone => &["BEEP"],
            Form::Written => &["WRITTEN"],
        });
    }
    names
}

fn places(rows: &[Row]) -> Result<String, Box<dyn Error>> {
    let mut out = String::new();
    let count = rows.len() + STRICTEST.len();
    writeln!(out, "/// How many rows are jurisdictions; the rest stand in for places without one.")?;
    writeln!(out, "pub(crate) const JURISDICTIONS: usize = {};", rows.len())?;
    writeln!(out, "/// Jurisdictions by code, then the stand-ins.")?;
    writeln!(out, "pub(crate) static ROWS: [Row; {count}] = [")?;
    for row in rows {
        write_row(&mut out, row)?;
    }
    let common = ["EXPRESS", "CAPTURED", "NOTICE", "RECORDED", "BEEP", "WRITTEN"]
        .into_iter()
        .filter(|form| rows.iter().all(|row| forms(row).contains(form)))
        .collect::<Vec<_>>();
    for (constant, name, citation) in STRICTEST {
        writeln!(out, "Row {{ name: {name:?}, statute: {citation:?}, forms: {},", union(&common))?;
        if constant == MAY_BE_ANYWHERE {
            for (field, citations) in [
                ("minor", every(rows, |row| row.minor_rule.as_ref())),
                ("vendor", every(rows, |row| row.vendor.as_ref())),
                ("utility", every(rows, |row| row.telephone_utility.as_ref())),
                ("public_body", every(rows, |row| row.public_body.as_ref())),
            ] {
                writeln!(out, "    {field}: {citations:?},")?;
            }
        }
        writeln!(out, "    ..Row::NONE }},")?;
    }
    writeln!(out, "];")?;
    for (n, (constant, ..)) in STRICTEST.iter().enumerate() {
        writeln!(out, "pub(crate) const {constant}: Place = Place({});", rows.len() + n)?;
    }
    let stand_ins = ((1u64 << STRICTEST.len()) - 1) << rows.len();
    let unknown = STRICTEST.iter().position(|(constant, ..)| *constant == MAY_BE_ANYWHERE);
    let unknown = 1u64 << (rows.len() + unknown.ok_or("an unknown place stands among the strictest")?);
    let mut set =
        |name: &str, bits: u64| writeln!(out, "pub(crate) const {name}: Places = Places({bits:#x});");
    set("ALL_PARTY", mask(rows, strict) | stand_ins)?;
    set("STAND_INS", stand_ins)?;
    set("FEDERAL", mask(rows, |row| row.code == "US"))?;
    set("MINORS_CANNOT", mask(rows, |row| row.minor_rule.is_some()) | unknown)?;
    set("IN_PERSON", mask(rows, |row| row.in_person.is_some()))?;
    set("NO_VENDOR", mask(rows, |row| row.vendor.is_some()) | unknown)?;
    set("NO_UTILITY", mask(rows, |row| row.telephone_utility.is_some()) | unknown)?;
    set("EVIDENCE", mask(rows, |row| row.evidence.is_some()))?;
    set("PUBLIC_BODY", mask(rows, |row| row.public_body.is_some()) | unknown)?;
    let every_s = rows.iter().filter_map(|row| row.beep_interval_s).min().unwrap_or(0);
    writeln!(out, "/// The longest time between two tones that a jurisdiction accepts, in seconds.")?;
    writeln!(out, "pub(crate) const BEEP_EVERY_S: u16 = {every_s};")?;
    Ok(out)
}

/// The citations of every row that has one.
fn every<'a>(rows: &'a [Row], citation: impl Fn(&'a Row) -> Option<&'a String>) -> String {
    rows.iter().filter_map(citation).map(String::as_str).collect::<Vec<_>>().join("; ")
}

fn write_row(out: &mut String, row: &Row) -> std::fmt::Result {
    let Row { code, name, statute, .. } = row;
    writeln!(
        out,
        "Row {{ code: {code:?}, name: {name:?}, statute: {statute:?}, forms: {},",
        union(&forms(row))
    )?;
    for (field, citation) in [
        ("minor", &row.minor_rule),
        ("in_person", &row.in_person),
        ("emergency_line", &row.emergency_line),
        ("emergency_nature", &row.emergency_nature),
        ("threats", &row.threats),
        ("vendor", &row.vendor),
        ("utility", &row.telephone_utility),
        ("public_body", &row.public_body),
        ("harassment", &row.harassment),
        ("telemarketer", &row.telemarketer_called),
        ("evidence", &row.evidence),
        ("doubt", &row.doubt),
        ("implied", &row.implied_consent),
    ] {
        if let Some(citation) = citation {
            writeln!(out, "    {field}: {citation:?},")?;
        }
    }
    writeln!(out, "    ..Row::NONE }},")
}

fn union(forms: &[&str]) -> String {
    forms.iter().fold("Forms::NONE".to_owned(), |all, form| format!("{all}.and(Forms::{form})"))
}

fn mask(rows: &[Row], member: impl Fn(&Row) -> bool) -> u64 {
    rows.iter().enumerate().filter(|(_, row)| member(row)).fold(0, |bits, (n, _)| bits | 1 << n)
}

fn relief(rows: &[Row], all: &[Relief]) -> Result<String, Box<dyn Error>> {
    let mut out = String::new();
    writeln!(out, "/// Every opt-in.")?;
    writeln!(out, "pub(crate) static RELIEFS: [Relief; {}] = [", all.len())?;
    for relief in all {
        let place = rows.iter().position(|row| row.code == relief.place).ok_or("checked before")?;
        let names: Vec<&String> = std::iter::once(&relief.option).chain(&relief.also).collect();
        let purposes: String =
            relief.purposes.iter().map(|p| format!(".and(Purpose::{})", pascal(p))).collect();
        writeln!(out, "Relief {{ names: &{names:?}, place: Place({place}),")?;
        writeln!(out, "    rule: Rule {{ id: {:?}, citation: {:?} }},", relief.rule, relief.citation)?;
        writeln!(out, "    message: {:?},", relief.message)?;
        writeln!(out, "    agent_on_call: {}, vendor_free: {},", relief.agent_on_call, relief.vendor_free)?;
        writeln!(
            out,
            "    recorded_outside: {}, told: {}, said: {:?},",
            relief.recorded_outside, relief.told, relief.said
        )?;
        writeln!(out, "    kinds: &{:?}, kind_unknown: {},", relief.kinds, relief.kind_unknown)?;
        writeln!(out, "    purposes: Purposes::NONE{purposes},")?;
        writeln!(out, "    destroy_within_days: {:?},", relief.destroy_within_days)?;
        writeln!(out, "    no_third_party: {}, tasks: &{:?} }},", relief.no_third_party, relief.tasks)?;
    }
    writeln!(out, "];")?;
    Ok(out)
}

/// `law-enforcement` as `LawEnforcement`.
fn pascal(kebab: &str) -> String {
    kebab.split('-').map(|part| part[..1].to_uppercase() + &part[1..]).collect()
}
