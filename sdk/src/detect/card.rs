//! Card numbers by themselves: the check digit, and whose card it is.

/// A card brand's range of numbers: one row of `data/card-brands.csv`, which cites its sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brand {
    /// What people call it.
    pub name: &'static str,
    /// Digits of its verification code.
    pub code_len: u8,
    /// Whether the range is beyond doubt; the others want context, or the common length of 16.
    pub certain: bool,
    /// The range, and how many leading digits it is about.
    from: u32,
    to: u32,
    prefix_len: u8,
    min_len: u8,
    max_len: u8,
}

static BRANDS: [Brand; ROWS] = parse(CSV.as_bytes());
const CSV: &str = include_str!("../../data/card-brands.csv");
const ROWS: usize = rows(CSV.as_bytes());

/// Whether the last digit checks the others (ISO/IEC 7812-1 annex B, "mod 10"). Digits are values, not characters.
pub fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &d)| match i % 2 {
            0 => u32::from(d),
            _ => u32::from(d) * 2 / 10 + u32::from(d) * 2 % 10,
        })
        .sum();
    digits.len() > 1 && sum.is_multiple_of(10)
}

/// Whose card a number of this beginning and length would be; the check digit is not looked at.
pub fn brand(digits: &[u8]) -> Option<Brand> {
    BRANDS.iter().find(|b| b.begins(digits) && b.lengths().contains(&digits.len())).copied()
}

/// Whether any brand's numbers begin like this. Fewer digits than a range is about do not.
pub(super) fn begins_like_a_card(digits: &[u8]) -> bool {
    BRANDS.iter().any(|b| b.begins(digits))
}

/// A number that is a card's beyond its context: brand, length and check digit agree.
pub(super) fn valid(digits: &[u8]) -> Option<Brand> {
    brand(digits).filter(|_| luhn(digits))
}

impl Brand {
    fn begins(&self, digits: &[u8]) -> bool {
        let Some(prefix) = digits.get(..usize::from(self.prefix_len)) else { return false };
        let value = prefix.iter().fold(0, |n, &d| n * 10 + u32::from(d));
        (self.from..=self.to).contains(&value)
    }
    fn lengths(&self) -> core::ops::RangeInclusive<usize> {
        self.min_len.into()..=self.max_len.into()
    }
}

// The table is read when the crate is compiled: a pack pays nothing for it, and a bad row does not compile.

const fn is_row(line: &[u8]) -> bool {
    !line.is_empty() && line[0] != b'#' && line[0].is_ascii_uppercase()
}

const fn line_end(csv: &[u8], mut at: usize) -> usize {
    while at < csv.len() && csv[at] != b'\n' {
        at += 1;
    }
    at
}

const fn rows(csv: &[u8]) -> usize {
    let (mut at, mut n) = (0, 0);
    while at < csv.len() {
        let end = line_end(csv, at);
        n += is_row(slice(csv, at, end)) as usize;
        at = end + 1;
    }
    n
}

const fn parse(csv: &'static [u8]) -> [Brand; ROWS] {
    const NONE: Brand = Brand {
        name: "",
        code_len: 0,
        certain: false,
        from: 0,
        to: 0,
        prefix_len: 0,
        min_len: 0,
        max_len: 0,
    };
    let mut table = [NONE; ROWS];
    let (mut at, mut n) = (0, 0);
    while at < csv.len() {
        let end = line_end(csv, at);
        let line = slice(csv, at, end);
        if is_row(line) {
            table[n] = row(line);
            n += 1;
        }
        at = end + 1;
    }
    table
}

const fn row(line: &'static [u8]) -> Brand {
    let Ok(name) = core::str::from_utf8(field(line, 0)) else { panic!("a brand's name is not UTF-8") };
    let (from, lengths) = (field(line, 1), field(line, 3));
    let mut dash = 0;
    while dash < lengths.len() && lengths[dash] != b'-' {
        dash += 1;
    }
    let min_len = number(slice(lengths, 0, dash)) as u8;
    let max_len =
        if dash < lengths.len() { number(slice(lengths, dash + 1, lengths.len())) as u8 } else { min_len };
    assert!(from.len() == field(line, 2).len(), "both ends of a range have the same number of digits");
    assert!(12 <= min_len && min_len <= max_len && max_len <= 19, "a card number has 12 to 19 digits");
    Brand {
        name,
        code_len: number(field(line, 4)) as u8,
        certain: field(line, 5)[0] == b'h',
        from: number(from),
        to: number(field(line, 2)),
        prefix_len: from.len() as u8,
        min_len,
        max_len,
    }
}

const fn number(text: &[u8]) -> u32 {
    let (mut i, mut n) = (0, 0);
    assert!(!text.is_empty(), "a number is missing");
    while i < text.len() {
        assert!(text[i].is_ascii_digit(), "not a number");
        n = n * 10 + (text[i] - b'0') as u32;
        i += 1;
    }
    n
}

const fn field(line: &[u8], index: usize) -> &[u8] {
    let (mut at, mut passed) = (0, 0);
    while passed < index {
        passed += (line[at] == b',') as usize;
        at += 1;
    }
    let mut end = at;
    while end < line.len() && line[end] != b',' {
        end += 1;
    }
    slice(line, at, end)
}

const fn slice(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    bytes.split_at(to).0.split_at(from).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect()
    }

    #[test]
    fn the_check_digit_tells() {
        assert!(luhn(&digits("4111 1111 1111 1111")));
        assert!(luhn(&digits("7992 7398 713")));
        assert!(!luhn(&digits("4111 1111 1111 1112")));
        assert!(!luhn(&digits("1411 1111 1111 1111")));
        assert!(!luhn(&[0]) && !luhn(&[]));
    }

    #[test]
    fn published_test_numbers_are_known() {
        let check = |number: &str, name: &str, code_len: u8| {
            let b = valid(&digits(number)).unwrap_or_else(|| panic!("{number}"));
            assert_eq!((b.name, b.code_len), (name, code_len), "{number}");
        };
        check("4111 1111 1111 1111", "Visa", 3);
        check("4222 2222 2222 2", "Visa", 3);
        check("5555 5555 5555 4444", "Mastercard", 3);
        check("2223 0031 2200 3222", "Mastercard", 3);
        check("3782 822463 10005", "American Express", 4);
        check("6011 1111 1111 1117", "Discover", 3);
        check("3056 9309 0259 04", "Diners Club", 3);
        check("3530 1113 3330 0000", "JCB", 3);
        check("6200 0000 0000 0005", "UnionPay", 3);
        check("6759 6498 2643 8453", "Maestro", 3);
        check("2200 7700 0000 0002", "Mir", 3);
    }

    #[test]
    fn ranges_end_where_they_end() {
        let name = |prefix: &str, len: usize| {
            let mut d = digits(prefix);
            d.resize(len, 0);
            brand(&d).map(|b| b.name)
        };
        assert_eq!(name("222099", 16), None);
        assert_eq!(name("222100", 16), Some("Mastercard"));
        assert_eq!(name("272099", 16), Some("Mastercard"));
        assert_eq!(name("272100", 16), None);
        assert_eq!(name("3527", 16), None);
        assert_eq!(name("37", 16), None);
        assert_eq!(name("4", 14), None);
        assert_eq!(name("1", 16), None);
        assert_eq!(brand(&[4]), None);
    }
}
