//! Rows of law.

use caveat_sdk::{dates, facts::Moment, settings::Problem};

/// How sure we are of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sure {
    /// Settled.
    High,
    /// Counsel should confirm.
    Medium,
    /// A cautious reading; its strict length holds until counsel confirms the other.
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
    /// When it is over; the strict length where there is one and `confirmed` does not name the row.
    pub fn after(&self, from: Moment, confirmed: &[String]) -> Moment {
        let end = self.length.after(from);
        match self.strict {
            Some(strict) if !self.is_confirmed(confirmed) => end.max(strict.after(from)),
            _ => end,
        }
    }

    /// Why, and whether counsel should confirm it.
    pub fn says(&self, confirmed: &[String]) -> String {
        let sure = match self.sure {
            _ if self.is_confirmed(confirmed) => "",
            Sure::High => "",
            Sure::Medium => " Counsel should confirm this.",
            Sure::Low => {
                " This is uncertain: the strict side is taken until counsel confirms it in the settings."
            }
        };
        format!("{}{sure}", self.why)
    }

    fn is_confirmed(&self, confirmed: &[String]) -> bool {
        confirmed.iter().any(|name| name == self.name)
    }
}

/// Checks the setting `counsel-confirmed`: names of rows.
///
/// # Errors
/// A problem for each name that no row has.
pub fn confirmed(names: &[String], rows: &[&Period]) -> Result<(), Vec<Problem>> {
    let unknown = names.iter().enumerate().filter(|(_, name)| !rows.iter().any(|row| row.name == **name));
    let problems: Vec<Problem> = unknown
        .map(|(n, name)| Problem {
            at: format!("/counsel-confirmed/{n}"),
            message: format!("`{name}` is the name of no period in data/"),
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
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
        assert!(THREE.says(&[]).contains("uncertain"));
        assert_eq!(THREE.says(&confirmed), "Three years.");
    }

    #[test]
    fn a_name_that_no_row_has_is_a_problem() {
        assert_eq!(confirmed(&["three".into()], &[&THREE]), Ok(()));
        assert_eq!(
            confirmed(&["three".into(), "tree".into()], &[&THREE]).unwrap_err()[0].at,
            "/counsel-confirmed/1"
        );
    }
}
