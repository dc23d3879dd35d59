//! Rows of law, how sure they are, and what a client's counsel says of them.

use std::fmt;

use caveat_sdk::{
    dates,
    facts::{Moment, Reason},
    settings::Problem,
};

/// How sure we are of a row. A row that is not [`Sure::High`] and has a strict length holds with that one until counsel confirms
/// the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sure {
    /// Settled.
    High,
    /// Counsel should confirm.
    Medium,
    /// A cautious reading.
    Low,
}

/// A length of time as statutes count it: all three together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Calendar years.
    pub years: u16,
    /// Calendar months.
    pub months: u16,
    /// Days.
    pub days: u32,
}

/// How long something is kept, or by when it is gone.
#[derive(Debug, PartialEq, Eq)]
pub struct Period {
    /// Its name in `data/`, which is also the action that an early disposal asks somebody to see to.
    pub name: &'static str,
    /// As the source has it.
    pub length: Length,
    /// What holds until counsel confirms `length`.
    pub strict: Option<Length>,
    /// Statute, section.
    pub citation: &'static str,
    /// How sure we are.
    pub sure: Sure,
    /// One sentence for whoever asked.
    pub why: &'static str,
}

/// A number that the law gives: a threshold, an interval. Its unit is in its name.
#[derive(Debug, PartialEq, Eq)]
pub struct Number {
    /// The number.
    pub value: u32,
    /// Statute, section.
    pub citation: &'static str,
}

impl Length {
    /// When it is over.
    pub fn after(self, from: Moment) -> Moment {
        dates::plus_days(dates::plus_months(dates::plus_years(from, self.years), self.months), self.days)
    }
}

impl Period {
    /// When it is over, by what counsel said of the row; where counsel said nothing, by the strict length if there is one.
    pub fn after(&self, from: Moment, counsel: &[String]) -> Moment {
        match (Word::on(self.name, counsel), self.strict) {
            (Some(Word::Reads(length)), _) => length.after(from),
            (None, Some(strict)) => self.length.after(from).max(strict.after(from)),
            _ => self.length.after(from),
        }
    }

    /// Why, whether counsel should confirm it, and which side is taken until then.
    pub fn says(&self, counsel: &[String]) -> String {
        let why = self.why;
        match Word::on(self.name, counsel) {
            Some(Word::Confirms) => why.to_owned(),
            Some(Word::Reads(length)) => format!("{why} The client's counsel reads it as {length}."),
            None => match self.strict {
                Some(strict) => {
                    format!("{why} This is uncertain: {strict} until counsel confirms it in the settings.")
                }
                None => format!("{why}{}", self.sure.doubt()),
            },
        }
    }
}

impl Sure {
    /// What a reason adds; empty where it is settled.
    pub fn doubt(self) -> &'static str {
        match self {
            Self::High => "",
            Self::Medium => " Counsel should confirm this.",
            Self::Low => {
                " This is uncertain: the strict side is taken until counsel confirms it in the settings."
            }
        }
    }
}

/// What counsel said of a row or a rule, in an entry of the setting `counsel-confirmed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// `retain-4-years-complaints`: it is so.
    Confirms,
    /// `retain-4-years-complaints: 3 years`: it is this long.
    Reads(Length),
}

impl Word {
    fn on(name: &str, counsel: &[String]) -> Option<Self> {
        counsel.iter().filter_map(|entry| Self::read(entry)).find(|(of, _)| *of == name).map(|(_, word)| word)
    }

    /// The name, and what is said of it; none where the length makes no sense.
    fn read(entry: &str) -> Option<(&str, Self)> {
        let Some((name, length)) = entry.split_once(':') else { return Some((entry, Self::Confirms)) };
        let (count, unit) = length.trim().split_once(' ')?;
        let mut read = Length { years: 0, months: 0, days: 0 };
        match unit.trim_end_matches('s') {
            "year" => read.years = count.parse().ok()?,
            "month" => read.months = count.parse().ok()?,
            "day" => read.days = count.parse().ok()?,
            _ => return None,
        }
        Some((name, Self::Reads(read)))
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(u32::from(self.years), "year"), (u32::from(self.months), "month"), (self.days, "day")];
        let mut between = "";
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{between}{count} {unit}{}", if count == 1 { "" } else { "s" })?;
            between = ", ";
        }
        Ok(())
    }
}

/// Checks the setting `counsel-confirmed`: names of periods, with another length where counsel reads an unsure one otherwise, and
/// of unsure rules.
///
/// # Errors
/// A problem for each entry that names neither, or gives a length to what is settled or has none.
pub fn confirmed(entries: &[String], rows: &[&Period], unsure: &[(&str, Sure)]) -> Result<(), Vec<Problem>> {
    let wrong = |entry: &str| {
        let Some((name, word)) = Word::read(entry) else {
            return Some(format!("`{entry}`: a length is written as `3 years`, `18 months` or `45 days`"));
        };
        let row = rows.iter().find(|row| row.name == name);
        match word {
            Word::Confirms if row.is_some() || unsure.iter().any(|(id, _)| *id == name) => None,
            Word::Confirms => {
                Some(format!("`{name}` is the name of no period in data/, and of no rule that is unsure"))
            }
            Word::Reads(_) => match row.map(|row| row.sure) {
                None => Some(format!("`{name}` is the name of no period in data/")),
                Some(Sure::High) => Some(format!("`{name}` is settled: it can have no other length")),
                Some(_) => None,
            },
        }
    };
    let problem = |(n, message)| Problem { at: format!("/counsel-confirmed/{n}"), message };
    let problems: Vec<Problem> =
        entries.iter().enumerate().filter_map(|(n, entry)| Some((n, wrong(entry)?))).map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Adds to each reason whose rule is unsure that counsel should confirm it, until counsel has.
pub fn tell_doubt(reasons: &mut [Reason], unsure: &[(&str, Sure)], counsel: &[String]) {
    for reason in reasons {
        let rule = unsure.iter().find(|(id, _)| *id == reason.rule);
        if let Some((_, sure)) = rule.filter(|(id, _)| Word::on(id, counsel).is_none())
            && !reason.message.contains("ounsel")
        {
            reason.message.push_str(sure.doubt());
        }
    }
}

/// Whether a sorted list has this word.
pub fn is_listed(list: &[&str], word: &str) -> bool {
    list.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const THREE: Period = Period {
        name: "three",
        length: Length { years: 3, months: 0, days: 0 },
        strict: Some(Length { years: 5, months: 1, days: 0 }),
        citation: "1 CFR 1",
        sure: Sure::Low,
        why: "Three years.",
    };

    #[test]
    fn the_strict_length_holds_until_counsel_confirms() {
        let from = dates::parse("2024-02-29").unwrap();
        let confirmed = ["three".to_owned()];
        assert_eq!(dates::text(THREE.after(from, &[])), "2029-04-01");
        assert_eq!(dates::text(THREE.after(from, &confirmed)), "2027-03-01");
        assert_eq!(
            THREE.says(&[]),
            "Three years. This is uncertain: 5 years, 1 month until counsel confirms it in the settings."
        );
        assert_eq!(THREE.says(&confirmed), "Three years.");
    }

    #[test]
    fn counsel_may_read_an_unsure_row_otherwise() {
        let from = dates::parse("2024-02-29").unwrap();
        let reads = ["three: 18 months".to_owned()];
        assert_eq!(dates::text(THREE.after(from, &reads)), "2025-08-29");
        assert_eq!(THREE.says(&reads), "Three years. The client's counsel reads it as 18 months.");
    }

    #[test]
    fn an_unsure_rule_says_so_until_counsel_confirms_it() {
        let reason =
            |rule: &str| Reason { rule: rule.into(), citation: String::new(), message: "So.".into() };
        let unsure = [("a.medium", Sure::Medium), ("a.low", Sure::Low)];
        let mut reasons = ["a.medium", "a.low", "a.high"].map(reason);
        tell_doubt(&mut reasons, &unsure, &["a.low".into()]);
        tell_doubt(&mut reasons, &unsure, &["a.low".into()]);
        let messages = reasons.map(|r| r.message);
        assert_eq!(messages, ["So. Counsel should confirm this.", "So.", "So."]);
    }

    #[test]
    fn an_entry_that_makes_no_sense_is_a_problem() {
        const SETTLED: Period = Period { name: "settled", sure: Sure::High, strict: None, ..THREE };
        let check = |entry: &str| {
            let entries = ["three".to_owned(), entry.to_owned()];
            let problems = confirmed(&entries, &[&THREE, &SETTLED], &[("a.rule", Sure::Medium)]);
            problems.err().map(|p| (p[0].at.clone(), p[0].message.clone()))
        };
        for good in ["three", "settled", "a.rule", "three: 2 years", "three: 1 day"] {
            assert_eq!(check(good), None, "{good}");
        }
        for (bad, why) in [
            ("tree", "no period"),
            ("settled: 2 years", "settled"),
            ("a.rule: 2 years", "no period"),
            ("three: two years", "written as"),
            ("three: 2 decades", "written as"),
            ("three:", "written as"),
        ] {
            let (at, message) = check(bad).unwrap();
            assert!(at == "/counsel-confirmed/1" && message.contains(why), "{bad}: {at}, {message}");
        }
    }
}
