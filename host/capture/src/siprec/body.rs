//! What a request carries: a session description, metadata, and whatever else its sender puts beside them (RFC 2046
//! section 5.1, RFC 5621). Pure.

use super::SiprecLimits;
use crate::error::CaptureError;

/// The parts of a body that mean something here. Of several of one kind the first counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Body<'a> {
    /// `application/sdp`.
    pub(crate) sdp: Option<&'a [u8]>,
    /// `application/rs-metadata+xml` (RFC 7866 section 9.1), or without `+xml` as in its drafts.
    pub(crate) metadata: Option<&'a [u8]>,
    /// Parts of other kinds, which are passed over.
    pub(crate) others: usize,
}

/// How deep multipart bodies may lie in each other.
const NESTED_MAX: usize = 2;
const MEDIA_TYPE_BYTES_MAX: usize = 256;

/// Takes a body apart, in whichever order its parts come.
///
/// # Errors
/// It is larger than the limit, has too many parts, or says that it is multipart and names no boundary.
pub(crate) fn parse<'a>(
    content_type: Option<&str>,
    bytes: &'a [u8],
    limits: &SiprecLimits,
) -> Result<Body<'a>, CaptureError> {
    if bytes.len() > limits.body_bytes_max {
        return Err(CaptureError::TooLarge { what: "body", limit_bytes: limits.body_bytes_max });
    }
    let mut body = Body::default();
    if !bytes.is_empty() {
        let mut parts = 0;
        body.take(content_type.unwrap_or_default(), bytes, &mut parts, 0, limits)?;
    }
    Ok(body)
}

impl<'a> Body<'a> {
    fn take(
        &mut self,
        content_type: &str,
        bytes: &'a [u8],
        parts: &mut usize,
        depth: usize,
        limits: &SiprecLimits,
    ) -> Result<(), CaptureError> {
        let kind = media_type(content_type);
        match kind.as_str() {
            "application/sdp" if self.sdp.is_none() => self.sdp = Some(bytes),
            "application/rs-metadata+xml" | "application/rs-metadata" if self.metadata.is_none() => {
                self.metadata = Some(bytes);
            }
            _ if kind.starts_with("multipart/") && depth < NESTED_MAX => {
                let why = || CaptureError::BadMessage { why: "its multipart body names no boundary".into() };
                let boundary = boundary(content_type).ok_or_else(why)?;
                for part in split(bytes, boundary) {
                    *parts += 1;
                    if *parts > limits.parts_max {
                        return Err(CaptureError::TooMany { what: "parts", limit: limits.parts_max });
                    }
                    let (headers, content) = headed(part);
                    // Nobody encodes these parts for transfer, and what cannot be read is as good as not there.
                    match header(headers, "content-transfer-encoding").map(|e| e.to_ascii_lowercase()) {
                        Some(e) if !matches!(e.as_str(), "binary" | "8bit" | "7bit") => self.others += 1,
                        _ => {
                            let kind = header(headers, "content-type").unwrap_or_default();
                            self.take(kind, content, parts, depth + 1, limits)?;
                        }
                    }
                }
            }
            _ => self.others += 1,
        }
        Ok(())
    }
}

/// Type and subtype in lower case, without parameters.
fn media_type(content_type: &str) -> String {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.chars().take(MEDIA_TYPE_BYTES_MAX).collect::<String>().to_ascii_lowercase()
}

fn boundary(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then_some(value)
}

/// What stands between the lines `--boundary`. What comes before the first and after the last is nobody's.
fn split<'a>(bytes: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let (mut parts, mut from) = (Vec::new(), None);
    let mut at = 0;
    while at < bytes.len() {
        let line = bytes.get(at..).unwrap_or_default();
        let end = line.iter().position(|b| *b == b'\n').map_or(line.len(), |n| n + 1);
        let line = line.get(..end).unwrap_or_default();
        let delimiter = line.strip_prefix(b"--").and_then(|l| l.strip_prefix(boundary.as_bytes()));
        if let Some(rest) = delimiter.map(|rest| rest.trim_ascii())
            && matches!(rest, b"" | b"--")
        {
            if let Some(from) = from {
                parts.push(without_line_end(bytes.get(from..at).unwrap_or_default()));
            }
            if rest == b"--" {
                return parts;
            }
            from = Some(at + end);
        }
        at += end;
    }
    // The last delimiter is missing: what has come is taken all the same.
    parts.extend(from.and_then(|from| bytes.get(from..)));
    parts
}

/// The line end before a delimiter belongs to the delimiter.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// The headers of a part, and what comes after the empty line.
fn headed(part: &[u8]) -> (&str, &[u8]) {
    if let Some(content) = part.strip_prefix(b"\r\n").or_else(|| part.strip_prefix(b"\n")) {
        return ("", content);
    }
    let ends = |mark: &[u8]| part.windows(mark.len()).position(|w| w == mark).map(|at| (at, at + mark.len()));
    let end = match (ends(b"\r\n\r\n"), ends(b"\n\n")) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let (headers, content) = end.unwrap_or((part.len(), part.len()));
    let text = part.get(..headers).and_then(|h| std::str::from_utf8(h).ok()).unwrap_or_default();
    (text, part.get(content..).unwrap_or_default())
}

/// The value of a header; one that goes on in the next line is read as far as its first.
fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = headers.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(n, _)| n.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn read<'a>(kind: &str, body: &'a str) -> (Option<&'a str>, Option<&'a str>, usize) {
        let body = parse(Some(kind), body.as_bytes(), &SiprecLimits::default()).unwrap();
        let text = |part: Option<&'a [u8]>| part.map(|p| std::str::from_utf8(p).unwrap());
        (text(body.sdp), text(body.metadata), body.others)
    }

    #[test]
    fn parts_are_found_in_any_order_and_dress() {
        let mixed = "multipart/mixed;boundary=b";
        let (sdp, xml) = ("Content-Type: application/sdp", "Content-Type: application/rs-metadata+xml");
        let both = format!("--b\r\n{sdp}\r\n\r\nv=0\r\n\r\n--b\r\n{xml}\r\n\r\n<a/>\r\n--b--\r\n");
        assert_eq!(read(mixed, &both), (Some("v=0\r\n"), Some("<a/>"), 0));
        let turned = format!("--b\n{xml}\n\n<a/>\n--b\n{sdp}\n\nv=0\n--b--");
        assert_eq!(
            read("Multipart/Mixed; charset=x; Boundary=\"b\"", &turned),
            (Some("v=0"), Some("<a/>"), 0)
        );
        let third = format!(
            "nobody's\r\n--b\r\n{sdp};charset=utf-8\r\n\r\nv=0\r\n--b\r\ncontent-type:application/gtd\r\n\r\nIAM\r\n\
             --bc\r\n--b\r\nCONTENT-TYPE: Application/RS-Metadata\r\nContent-Disposition: recording-session\r\n\r\n<a/>\
             \r\n--b--\r\nnobody's"
        );
        assert_eq!(read(mixed, &third), (Some("v=0"), Some("<a/>"), 1));
        assert_eq!(read("application/sdp", "v=0"), (Some("v=0"), None, 0));
        assert_eq!(read("application/rs-metadata", "<a/>"), (None, Some("<a/>"), 0));
        assert_eq!(read("text/plain", "hello"), (None, None, 1));
        let nested = format!("--o\r\nContent-Type: multipart/related; boundary=b\r\n\r\n{both}\r\n--o--");
        assert_eq!(read("multipart/mixed; boundary=o", &nested), (Some("v=0\r\n"), Some("<a/>"), 0));
    }

    #[test]
    fn what_is_cut_short_or_doubled_is_read_as_far_as_it_goes() {
        let mixed = "multipart/mixed;boundary=b";
        assert_eq!(read(mixed, "--b\r\nContent-Type: application/sdp\r\n\r\nv=0"), (Some("v=0"), None, 0));
        assert_eq!(read(mixed, "--b\r\nContent-Type: application/sdp"), (Some(""), None, 0));
        assert_eq!(read(mixed, "--b\r\n\r\nno type\r\n--b--"), (None, None, 1));
        let twice = "--b\r\nContent-Type: application/sdp\r\n\r\n1\r\n--b\r\nContent-Type: application/sdp\r\n\r\n2\r\n--b--";
        assert_eq!(read(mixed, twice), (Some("1"), None, 1));
        let base64 = "--b\nContent-Type: application/sdp\nContent-Transfer-Encoding: base64\n\ndj0w\n--b--";
        assert_eq!(read(mixed, base64), (None, None, 1));
    }

    #[test]
    fn limits_are_kept() {
        let limits = SiprecLimits { body_bytes_max: 100, parts_max: 2, ..SiprecLimits::default() };
        let fails = |kind: &str, body: &str, want: &str| {
            let error = parse(Some(kind), body.as_bytes(), &limits).unwrap_err().to_string();
            assert!(error.contains(want), "`{error}` instead of `{want}`");
        };
        fails("application/sdp", &"x".repeat(101), "body is too large");
        fails("multipart/mixed", "--b", "no boundary");
        fails("multipart/mixed;boundary=b", "--b\n\na\n--b\n\nb\n--b\n\nc\n--b--", "too many parts");
    }
}
