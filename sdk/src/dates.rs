//! The calendar, for periods that statutes count in years and months. Dates are in UTC.

use time::{Date, Duration, Month, OffsetDateTime, Time};

use crate::facts::Moment;

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;

/// The date of a moment; the epoch if it is beyond what a calendar holds.
pub fn date(at: Moment) -> Date {
    let s = i64::try_from(at / 1000).unwrap_or(0);
    OffsetDateTime::from_unix_timestamp(s).unwrap_or(OffsetDateTime::UNIX_EPOCH).date()
}

/// Midnight at the beginning of a date; the epoch for one before it.
pub fn moment(date: Date) -> Moment {
    let s = date.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp();
    u64::try_from(s).unwrap_or(0) * 1000
}

/// The same day and month this many years later; 29 February becomes 1 March where it is missing. Time of day is kept.
pub fn plus_years(at: Moment, years: u16) -> Moment {
    let day = date(at);
    let target = day.year() + i32::from(years);
    let later = Date::from_calendar_date(target, day.month(), day.day())
        .or_else(|_| Date::from_calendar_date(target, Month::March, 1));
    match later {
        Ok(later) => moment(later) + at % DAY_MS,
        Err(_) => at,
    }
}

/// The same day this many months later, or the last of that month. Time of day is kept.
pub fn plus_months(at: Moment, months: u16) -> Moment {
    let day = date(at);
    let count = i32::from(u8::from(day.month())) - 1 + i32::from(months);
    let year = day.year() + count / 12;
    let month = Month::try_from((count % 12 + 1) as u8).unwrap_or(Month::January);
    let last = month.length(year);
    match Date::from_calendar_date(year, month, day.day().min(last)) {
        Ok(later) => moment(later) + at % DAY_MS,
        Err(_) => at,
    }
}

/// This many days later.
pub fn plus_days(at: Moment, days: u32) -> Moment {
    at.saturating_add(u64::from(days) * DAY_MS)
}

/// Whole years from one date to another: an age.
pub fn whole_years(from: Moment, to: Moment) -> u16 {
    let (a, b) = (date(from), date(to));
    let had_it = (b.month() as u8, b.day()) >= (a.month() as u8, a.day());
    u16::try_from(b.year() - a.year() - i32::from(!had_it)).unwrap_or(0)
}

/// The date as `2042-03-01`.
pub fn text(at: Moment) -> String {
    let d = date(at);
    format!("{:04}-{:02}-{:02}", d.year(), u8::from(d.month()), d.day())
}

/// `2042-03-01` as the moment it begins.
pub fn parse(text: &str) -> Option<Moment> {
    let mut parts = text.splitn(3, '-');
    let (y, m, d) =
        (parts.next()?.parse().ok()?, parts.next()?.parse::<u8>().ok()?, parts.next()?.parse().ok()?);
    let date = Date::from_calendar_date(y, Month::try_from(m).ok()?, d).ok()?;
    (date >= OffsetDateTime::UNIX_EPOCH.date()).then(|| moment(date))
}

/// The last moment of the year of `at`, plus this many days: "within 60 days after the end of the calendar year".
pub fn year_end_plus_days(at: Moment, days: u16) -> Moment {
    match Date::from_calendar_date(date(at).year(), Month::December, 31) {
        Ok(last) => moment(last + Duration::days(i64::from(days))),
        Err(_) => at,
    }
}

/// Midnight at the end of the calendar quarter of `at`, which is when the next one begins.
pub fn quarter_end(at: Moment) -> Moment {
    let day = date(at);
    let first = u8::from(day.month()) - (u8::from(day.month()) - 1) % 3;
    let begins = Month::try_from(first).ok().and_then(|m| Date::from_calendar_date(day.year(), m, 1).ok());
    begins.map_or(at, |begins| plus_months(moment(begins), 3))
}

/// Midnight at the end of the calendar year of `at`, which is when the next one begins.
pub fn year_end(at: Moment) -> Moment {
    year_end_plus_days(at, 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn m(text: &str) -> Moment {
        parse(text).unwrap()
    }

    #[test]
    fn periods_end_on_the_day() {
        let check = |got: Moment, want: &str| assert_eq!(text(got), want);
        check(plus_years(m("2012-03-01"), 30), "2042-03-01");
        check(plus_years(m("2024-02-29"), 1), "2025-03-01");
        check(plus_months(m("2026-01-31"), 25), "2028-02-29");
        check(plus_days(m("2026-12-31"), 1), "2027-01-01");
        check(year_end_plus_days(m("2026-05-05"), 60), "2027-03-01");
        check(year_end(m("2026-12-31")), "2027-01-01");
        check(quarter_end(m("2026-11-23")), "2027-01-01");
        check(quarter_end(m("2026-03-31")), "2026-04-01");
        check(quarter_end(m("2026-04-01")), "2026-07-01");
    }

    #[test]
    fn an_age_is_whole_years() {
        assert_eq!(whole_years(m("2008-11-24"), m("2026-11-23")), 17);
        assert_eq!(whole_years(m("2008-11-23"), m("2026-11-23")), 18);
    }
}
