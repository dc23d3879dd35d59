//! Jurisdictions, and sets of them as one word.

use crate::forms::Forms;

/// A row of [`ROWS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) u8);

/// What a jurisdiction asks for. A text that does not apply is empty; the others are citations.
#[derive(Debug)]
pub(crate) struct Row {
    /// USPS code; `US` for the federal row, empty for a stand-in.
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) statute: &'static str,
    /// Any one of these satisfies it.
    pub(crate) forms: Forms,
    /// A child cannot be the consenting party.
    pub(crate) minor: &'static str,
    /// People heard in a room have to be told.
    pub(crate) in_person: &'static str,
    /// A published emergency line is exempt.
    pub(crate) emergency_line: &'static str,
    /// One party suffices on a call of an emergency nature.
    pub(crate) emergency_nature: &'static str,
    /// One party suffices when the call conveys threats.
    pub(crate) threats: &'static str,
    /// A vendor with ends of its own is not covered by the client's consent.
    pub(crate) vendor: &'static str,
    /// A telephone utility may not record customers.
    pub(crate) utility: &'static str,
    /// A public body needs express consent.
    pub(crate) public_body: &'static str,
    /// One party suffices on anonymous, repeated or extremely inconvenient calls.
    pub(crate) harassment: &'static str,
    /// Whoever a telemarketer calls may record.
    pub(crate) telemarketer: &'static str,
    /// A recording is evidence only when the speaker was told.
    pub(crate) evidence: &'static str,
    /// Why the strict side is taken where the law is unsure. A sentence, not a citation.
    pub(crate) doubt: &'static str,
    /// What it rests on that staying after a notice is consent, where no statute says so. No citation either.
    pub(crate) implied: &'static str,
}

impl Row {
    const NONE: Self = Self {
        code: "",
        name: "",
        statute: "",
        forms: Forms::NONE,
        minor: "",
        in_person: "",
        emergency_line: "",
        emergency_nature: "",
        threats: "",
        vendor: "",
        utility: "",
        public_body: "",
        harassment: "",
        telemarketer: "",
        evidence: "",
        doubt: "",
        implied: "",
    };
}

include!(concat!(env!("OUT_DIR"), "/places.rs"));

/// US territories that the data have no row for.
const WITHOUT_A_ROW: [&str; 2] = ["AS", "MP"];

/// Where the row of each code of two capital letters is, or [`NOWHERE`]: what is asked most often of all.
static BY_CODE: [u8; 26 * 26] = by_code();
const NOWHERE: u8 = u8::MAX;

const fn by_code() -> [u8; 26 * 26] {
    let (mut all, mut row) = ([NOWHERE; 26 * 26], 0);
    while row < JURISDICTIONS {
        let code = ROWS[row].code.as_bytes();
        all[(code[0] - b'A') as usize * 26 + (code[1] - b'A') as usize] = row as u8;
        row += 1;
    }
    all
}

impl Place {
    /// A jurisdiction by its own code.
    pub(crate) fn named(code: &str) -> Option<Self> {
        let &[first @ b'A'..=b'Z', second @ b'A'..=b'Z'] = code.as_bytes() else { return None };
        let row = BY_CODE[usize::from(first - b'A') * 26 + usize::from(second - b'A')];
        (row != NOWHERE).then_some(Self(row))
    }
    /// What a region code of the contract stands for. `US` names no state, so it says nothing that would help.
    pub(crate) fn of_region(region: &str) -> Self {
        match Self::named(region) {
            Some(place) if !FEDERAL.contains(place) => place,
            None if region.starts_with('@') => ABROAD,
            None if WITHOUT_A_ROW.contains(&region) => TERRITORY,
            _ => UNKNOWN,
        }
    }
    pub(crate) fn row(self) -> &'static Row {
        &ROWS[usize::from(self.0)]
    }
}

/// A set of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Places(u64);

impl Places {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn of(place: Place) -> Self {
        Self(1 << place.0)
    }
    pub(crate) fn insert(&mut self, place: Place) {
        self.0 |= 1 << place.0;
    }
    pub(crate) const fn contains(self, place: Place) -> bool {
        self.0 & (1 << place.0) != 0
    }
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    pub(crate) const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    pub(crate) fn iter(self) -> impl Iterator<Item = Place> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let next = (rest != 0).then(|| Place(rest.trailing_zeros() as u8));
            rest &= rest.wrapping_sub(1);
            next
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_a_row_or_the_strictest() {
        let check =
            |region: &str, name: &str| assert_eq!(Place::of_region(region).row().name, name, "{region}");
        check("FL", "Florida");
        check("PR", "Puerto Rico");
        check("DC", "District of Columbia");
        for (region, place) in [("@DE", ABROAD), ("@CA-ON", ABROAD), ("AS", TERRITORY), ("MP", TERRITORY)] {
            assert_eq!(Place::of_region(region), place, "{region}");
        }
        for region in ["US", "ZZ", "", "fl", "California"] {
            assert_eq!(Place::of_region(region), UNKNOWN, "{region}");
        }
    }

    #[test]
    fn the_strictest_is_what_satisfies_every_row() {
        for place in STAND_INS.iter() {
            let forms = place.row().forms;
            assert!(forms.meet(Forms::RECORDED) && forms.meet(Forms::WRITTEN) && forms.meet(Forms::CAPTURED));
            assert!(!forms.meet(Forms::NOTICE.and(Forms::BEEP).and(Forms::EXPRESS).and(Forms::PARTICIPANT)));
            assert!(ALL_PARTY.contains(place));
        }
    }

    #[test]
    fn there_are_55_with_their_classes() {
        assert_eq!(ROWS[..JURISDICTIONS].len(), 55);
        let all_party: Vec<&str> =
            ALL_PARTY.without(STAND_INS).iter().map(|place| place.row().code).collect();
        let want =
            ["CA", "CT", "DE", "FL", "GU", "IL", "MA", "MD", "MI", "MT", "NH", "NV", "PA", "PR", "VI", "WA"];
        assert_eq!(all_party, want);
    }

    #[test]
    fn a_set_is_walked_in_order() {
        let mut set = Places::NONE;
        for code in ["WY", "AK", "MA"] {
            set.insert(Place::named(code).unwrap_or(UNKNOWN));
        }
        let codes: Vec<&str> = set.iter().map(|place| place.row().code).collect();
        assert_eq!(codes, ["AK", "MA", "WY"]);
    }
}
