//! For a pack's `build.rs`: the rules of `pack.toml` and the tables of `data/` as statics in `$OUT_DIR/law.rs`.
//!
//! A row has a `name`, its `citation`, the `source` (V: checked in published text, V2: a secondary source, K: knowledge) and
//! the `confidence` (high, medium, low). `[[period]]` has `years`, `months`, `days`, a `why`, and, until counsel confirms it,
//! `strict-years` or `strict-months`, which a row of low confidence needs. `[[number]]` has a `value`, of high confidence; its
//! unit is in its name. `[[words]]` has a `list`; one of less than high confidence says with `stricter = true` that being on it
//! makes nothing laxer: what is unsure may not. `checked` says when a row was last held against which text, as
//! `2026-11-28: 12 CFR 1006.100 at law.cornell.edu`; a row without it was not looked at since it was written.

use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::Path};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    #[serde(default)]
    period: Vec<Period>,
    #[serde(default)]
    number: Vec<Number>,
    #[serde(default)]
    words: Vec<Words>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Period {
    name: String,
    #[serde(default)]
    years: u16,
    #[serde(default)]
    months: u16,
    #[serde(default)]
    days: u32,
    strict_years: Option<u16>,
    strict_months: Option<u16>,
    citation: String,
    source: String,
    confidence: String,
    checked: Option<String>,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Number {
    name: String,
    value: u32,
    citation: String,
    source: String,
    confidence: String,
    checked: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    name: String,
    list: Vec<String>,
    #[serde(default)]
    stricter: bool,
    citation: String,
    source: String,
    confidence: String,
    checked: Option<String>,
}

#[derive(Deserialize)]
struct Manifest {
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    citation: String,
    confidence: String,
}

/// Writes `$OUT_DIR/law.rs`: a `Rule` for each rule (`securities.order-calls` is `ORDER_CALLS`), and what these files of `data/`
/// hold. Ends the build with the row's name where something is wrong.
pub fn law(files: &[&str]) {
    println!("cargo::rerun-if-changed=data");
    println!("cargo::rerun-if-changed=pack.toml");
    println!("cargo::rerun-if-changed=build.rs");
    let read =
        |path: &Path| fs::read_to_string(path).unwrap_or_else(|e| fail(&format!("{}: {e}", path.display())));
    let mut out = rules(&read(Path::new("pack.toml"))).unwrap_or_else(|e| fail(&e));
    let mut periods = Vec::new();
    for name in files {
        let text = read(&Path::new("data").join(name));
        let more = tables(&text, &mut periods).unwrap_or_else(|e| fail(&format!("data/{name}: {e}")));
        out.push_str(&more);
    }
    let all: String = periods.iter().map(|name| format!("&{}, ", constant(name))).collect();
    let _ = writeln!(
        out,
        "#[allow(dead_code, reason = \"where counsel has nothing to confirm\")]\n\
         pub(crate) static PERIODS: &[&pack_law::Period] = &[{all}];"
    );
    let dir = env::var("OUT_DIR").unwrap_or_else(|_| fail("cargo sets OUT_DIR"));
    fs::write(Path::new(&dir).join("law.rs"), out).unwrap_or_else(|e| fail(&e.to_string()));
}

/// Writes `$OUT_DIR/unsure.rs`: the rules of `pack.toml` of less than high confidence, for a pack with tables of its own.
pub fn unsure() {
    println!("cargo::rerun-if-changed=pack.toml");
    let manifest = fs::read_to_string("pack.toml").unwrap_or_else(|e| fail(&format!("pack.toml: {e}")));
    let all = rules(&manifest).unwrap_or_else(|e| fail(&e));
    let found =
        all.find("/// Rules of less").unwrap_or_else(|| fail("rules() ends with those that are unsure"));
    let dir = env::var("OUT_DIR").unwrap_or_else(|_| fail("cargo sets OUT_DIR"));
    fs::write(Path::new(&dir).join("unsure.rs"), &all[found..]).unwrap_or_else(|e| fail(&e.to_string()));
}

fn fail(what: &str) -> ! {
    println!("cargo::error={what}");
    std::process::exit(1)
}

fn rules(manifest: &str) -> Result<String, String> {
    let Manifest { rule } = toml::from_str(manifest).map_err(|e| format!("pack.toml: {e}"))?;
    let (mut out, mut unsure) = (String::new(), String::new());
    for Rule { id, citation, confidence } in rule {
        let name = constant(id.split_once('.').map_or(id.as_str(), |(_, name)| name));
        let _ = writeln!(
            out,
            "pub(crate) const {name}: caveat_sdk::Rule = caveat_sdk::Rule {{ id: {id:?}, citation: {citation:?} }};"
        );
        match level(&id, &confidence)? {
            "High" => {}
            sure => {
                let _ = write!(unsure, "({id:?}, pack_law::Sure::{sure}), ");
            }
        }
    }
    let _ = writeln!(
        out,
        "/// Rules of less than high confidence.\n\
         #[allow(dead_code, reason = \"where all are settled\")]\n\
         pub(crate) static UNSURE: &[(&str, pack_law::Sure)] = &[{unsure}];"
    );
    Ok(out)
}

fn tables(text: &str, periods: &mut Vec<String>) -> Result<String, String> {
    let Tables { period, number, words } = toml::from_str(text).map_err(|e| e.to_string())?;
    let mut out = String::new();
    for row in period {
        out.push_str(&row.written()?);
        periods.push(row.name);
    }
    for Number { name, value, citation, source, confidence, checked } in number {
        dated(&name, checked.as_deref())?;
        if sure(&name, &citation, &source, &confidence)? != "High" {
            return Err(format!("{name}: an unsure number has no strict side: look it up"));
        }
        let constant = constant(&name);
        let _ = writeln!(
            out,
            "pub(crate) static {constant}: pack_law::Number = pack_law::Number {{ value: {value}, citation: {citation:?} }};"
        );
    }
    for Words { name, list, stricter, citation, source, confidence, checked } in words {
        dated(&name, checked.as_deref())?;
        if sure(&name, &citation, &source, &confidence)? != "High" && !stricter {
            return Err(format!(
                "{name}: unsure, and not said to be `stricter`: it could make something laxer"
            ));
        }
        let sorted: Vec<String> = list.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let _ = writeln!(out, "/// Sorted.\npub(crate) static {}: &[&str] = &{sorted:?};", constant(&name));
    }
    Ok(out)
}

impl Period {
    fn written(&self) -> Result<String, String> {
        let Self {
            name,
            years,
            months,
            days,
            strict_years,
            strict_months,
            citation,
            source,
            confidence,
            checked,
            why,
        } = self;
        dated(name, checked.as_deref())?;
        let sure = sure(name, citation, source, confidence)?;
        if (*years, *months, *days) == (0, 0, 0) {
            return Err(format!("{name}: a period of nothing"));
        }
        let strict = strict_years.or(*strict_months).is_some();
        if confidence == "low" && !strict {
            return Err(format!(
                "{name}: of low confidence, and no strict length holds until counsel confirms it"
            ));
        }
        let length = |years: u16, months: u16, days: u32| {
            format!("pack_law::Length {{ years: {years}, months: {months}, days: {days} }}")
        };
        let strict = match strict {
            true => format!("Some({})", length(strict_years.unwrap_or(0), strict_months.unwrap_or(0), 0)),
            false => "None".to_owned(),
        };
        let (constant, length) = (constant(name), length(*years, *months, *days));
        Ok(format!(
            "pub(crate) static {constant}: pack_law::Period = pack_law::Period {{ name: {name:?}, length: {length}, \
             strict: {strict}, citation: {citation:?}, sure: pack_law::Sure::{sure}, why: {why:?} }};\n"
        ))
    }
}

/// The name of how sure a row is, where its origin is in order.
fn sure(name: &str, citation: &str, source: &str, confidence: &str) -> Result<&'static str, String> {
    if citation.trim().is_empty() {
        return Err(format!("{name}: cites nothing"));
    }
    if !["V", "V2", "K"].contains(&source) {
        return Err(format!("{name}: source `{source}` is neither V, V2 nor K"));
    }
    level(name, confidence)
}

/// Whether it says when it was checked and against what.
fn dated(name: &str, checked: Option<&str>) -> Result<(), String> {
    let Some(checked) = checked else { return Ok(()) };
    let is_date = |day: &str| {
        day.len() == 10
            && day
                .bytes()
                .enumerate()
                .all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() })
    };
    match checked.split_once(": ") {
        Some((day, against)) if is_date(day) && !against.trim().is_empty() => Ok(()),
        _ => Err(format!("{name}: checked is written as `2026-11-28: against which text`, not `{checked}`")),
    }
}

fn level(name: &str, confidence: &str) -> Result<&'static str, String> {
    match confidence {
        "high" => Ok("High"),
        "medium" => Ok("Medium"),
        "low" => Ok("Low"),
        other => Err(format!("{name}: confidence `{other}` is neither high, medium nor low")),
    }
}

fn constant(name: &str) -> String {
    name.replace(['-', '.'], "_").to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const ROW: &str = "citation = \"1 CFR 1\"\nsource = \"K\"\nwhy = \"So.\"\n";

    fn wrong(rows: &str) -> String {
        tables(&format!("{rows}{ROW}"), &mut vec![]).unwrap_err()
    }

    #[test]
    fn rows_become_statics() {
        let mut periods = vec![];
        let text = format!("[[period]]\nname = \"keep-it\"\nyears = 3\nconfidence = \"high\"\n{ROW}");
        let out = tables(&text, &mut periods).unwrap();
        assert!(out.starts_with("pub(crate) static KEEP_IT: pack_law::Period"), "{out}");
        assert_eq!(periods, ["keep-it"]);
        let words = "[[words]]\nname = \"places\"\nlist = [\"b\", \"a\"]\ncitation = \"x\"\nsource = \"K\"\nconfidence = \"low\"";
        assert!(tables(words, &mut periods).unwrap_err().contains("laxer"));
        let out = tables(&format!("{words}\nstricter = true"), &mut periods).unwrap();
        assert_eq!(out, "/// Sorted.\npub(crate) static PLACES: &[&str] = &[\"a\", \"b\"];\n");
        let rule = |id: &str, sure: &str| {
            format!("[[rule]]\nid = \"{id}\"\ncitation = \"1\"\nconfidence = \"{sure}\"\n")
        };
        let out = rules(&(rule("sec.order-calls", "high") + &rule("sec.books", "medium"))).unwrap();
        assert!(out.starts_with("pub(crate) const ORDER_CALLS: caveat_sdk::Rule"), "{out}");
        assert!(out.contains("= &[(\"sec.books\", pack_law::Sure::Medium), ];"), "{out}");
    }

    #[test]
    fn a_bad_row_is_named() {
        let row = |rest: &str| format!("[[period]]\nname = \"it\"\n{rest}\n");
        assert!(wrong(&row("confidence = \"high\"")).contains("period of nothing"));
        assert!(wrong(&row("years = 1\nconfidence = \"low\"")).contains("no strict length"));
        assert!(wrong(&row("years = 1\nconfidence = \"sure\"")).contains("neither high"));
        assert!(wrong(&row("year = 1\nconfidence = \"high\"")).contains("unknown field"));
        for checked in ["yesterday", "2026-11-28", "2026-11-28: "] {
            let wrong = wrong(&row(&format!("years = 1\nconfidence = \"high\"\nchecked = \"{checked}\"")));
            assert!(wrong.contains("checked is written as"), "{wrong}");
        }
        let number = "[[number]]\nname = \"days\"\nvalue = 1\ncitation = \"x\"\nsource = \"K\"\nconfidence = \"medium\"";
        assert!(tables(number, &mut vec![]).unwrap_err().contains("look it up"));
    }
}
