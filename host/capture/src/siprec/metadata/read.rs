//! Metadata as XML, in every dialect that is known. Pure.
//!
//! Elements are told by their local names and by where they stand, so that it is the same whether they are in the name
//! space of RFC 7865 (`urn:ietf:params:xml:ns:recording:1`), in that of its drafts (`..:ns:recording`), under a prefix
//! (`tns:`) or in none. Ids are attributes by the names of the RFC (`participant_id`) or of the drafts (`id`, `session`).
//! Who sends may be said apart (`participantstreamassoc`) or within the participant. The root may be `recording` or
//! `recording_metadata`. Extensions are passed over, whatever is in them.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{Membership, Metadata, Participant, Session, Stream, Voice, cut};
use crate::{error::CaptureError, siprec::SiprecLimits};

/// Reads a document.
///
/// # Errors
/// It is no XML, has a document type, is cut short, or is larger or deeper than the limits.
pub(crate) fn read(bytes: &[u8], limits: &SiprecLimits) -> Result<Metadata, CaptureError> {
    let text = String::from_utf8_lossy(bytes);
    // An XML declaration may only be the first thing in a document, and is not where a part begins with an empty line.
    let mut reader = Reader::from_str(text.trim_start());
    let mut state = State::new(limits);
    loop {
        match reader.read_event().map_err(|error| broken(&error.to_string()))? {
            Event::Start(start) => state.open(&start)?,
            Event::Empty(start) => {
                state.open(&start)?;
                state.close();
            }
            Event::End(_) => state.close(),
            Event::Text(text) => state.text.push_str(&text.xml10_content()),
            Event::CData(text) => state.text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let known = reference.resolve_char_ref().ok().flatten().or_else(|| predefined(&reference));
                state.text.extend(known);
            }
            Event::DocType(_) => return Err(broken("it has a document type")),
            Event::Eof if state.path.is_empty() && state.elements > 0 => return Ok(state.found),
            Event::Eof => return Err(broken("it is cut short")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
        state.text.truncate(state.text.floor_char_boundary(limits.text_bytes_max));
    }
}

fn broken(why: &str) -> CaptureError {
    CaptureError::BadMessage { why: format!("its metadata: {why}") }
}

/// The five entities that XML has without a document type (XML 1.0 section 4.6).
fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

struct State<'a> {
    limits: &'a SiprecLimits,
    found: Metadata,
    /// Local names of the open elements.
    path: Vec<String>,
    elements: usize,
    /// The text of the innermost element so far.
    text: String,
}

impl<'a> State<'a> {
    fn new(limits: &'a SiprecLimits) -> Self {
        Self { limits, found: Metadata::default(), path: vec![], elements: 0, text: String::new() }
    }

    fn open(&mut self, start: &BytesStart) -> Result<(), CaptureError> {
        self.elements += 1;
        if self.elements > self.limits.metadata_elements_max {
            return Err(broken("it has too many elements"));
        }
        if self.path.len() >= self.limits.metadata_depth_max {
            return Err(broken("it is too deep"));
        }
        let name = local(start.name().as_ref()).to_ascii_lowercase();
        let attributes = Attributes::of(start, self.limits);
        if self.path.len() == 1 {
            self.begin(&name, &attributes);
        } else if self.path.len() == 2 && name == "nameid" {
            self.named(attributes.get(&["aor", "uri"]));
        }
        self.text.clear();
        self.path.push(name);
        Ok(())
    }

    /// A child of the root: one of the things that the metadata is about.
    fn begin(&mut self, name: &str, attributes: &Attributes) {
        let id = |name: &str| attributes.get(&[name, "id"]).unwrap_or_default();
        let session = || attributes.get(&["session_id", "session"]).unwrap_or_default();
        let found = &mut self.found;
        match name {
            "session" => found.sessions.push(Session { id: id("session_id"), ..Session::default() }),
            "participant" => {
                let id = id("participant_id");
                if !session().is_empty() {
                    let (participant, session) = (id.clone(), session());
                    found.memberships.push(Membership { participant, session, left: false });
                }
                found.participants.push(Participant { id, ..Participant::default() });
            }
            "stream" => found.streams.push(Stream { id: id("stream_id"), label: None }),
            "participantsessionassoc" => {
                let participant = id("participant_id");
                found.memberships.push(Membership { participant, session: session(), left: false });
            }
            "participantstreamassoc" => {
                found.voices.push(Voice { participant: id("participant_id"), ..Voice::default() });
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        let Some(name) = self.path.pop() else { return };
        let text = std::mem::take(&mut self.text).trim().to_owned();
        match self.path.as_slice() {
            [_] if name == "datamode" => self.found.is_partial = text.eq_ignore_ascii_case("partial"),
            [_, parent] => {
                let parent = parent.clone();
                self.detail(&parent, &name, text);
            }
            [_, parent, within] if parent == "participant" && within == "nameid" => {
                if matches!(name.as_str(), "aor" | "uri") {
                    self.named(Some(text));
                }
            }
            _ => {}
        }
    }

    /// A child of one of these things.
    fn detail(&mut self, parent: &str, name: &str, text: String) {
        let found = &mut self.found;
        match (parent, name) {
            ("session", _) => {
                let Some(session) = found.sessions.last_mut() else { return };
                match name {
                    "sipsessionid" => session.sip_ids.extend(text.split(';').next().map(str::to_owned)),
                    "group-ref" => session.group = Some(text),
                    "reason" => session.reason = Some(text),
                    "stop-time" | "end-time" | "disassociate-time" => session.stopped = true,
                    _ => {}
                }
            }
            ("stream", "label") => {
                if let Some(stream) = found.streams.last_mut() {
                    stream.label = Some(text);
                }
            }
            // A participant that says within itself on what it is heard, as in the drafts.
            ("participant", "send" | "recv") => {
                let Some(id) = found.participants.last().map(|p| p.id.clone()) else { return };
                if found.voices.last().is_none_or(|v| v.participant != id) {
                    found.voices.push(Voice { participant: id, ..Voice::default() });
                }
                self.heard(name, text);
            }
            ("participant", "disassociate-time") => {
                let Some(id) = found.participants.last().map(|p| &p.id) else { return };
                found.memberships.iter_mut().filter(|m| m.participant == *id).for_each(|m| m.left = true);
            }
            ("participantstreamassoc", "send" | "recv") => self.heard(name, text),
            ("participantstreamassoc", "disassociate-time") => {
                if let Some(voice) = found.voices.last_mut() {
                    voice.left = true;
                }
            }
            ("participantsessionassoc", "disassociate-time") => {
                if let Some(membership) = found.memberships.last_mut() {
                    membership.left = true;
                }
            }
            _ => {}
        }
    }

    fn heard(&mut self, name: &str, stream: String) {
        let Some(voice) = self.found.voices.last_mut() else { return };
        if name == "send" { voice.sends.push(stream) } else { voice.receives.push(stream) }
    }

    fn named(&mut self, aor: Option<String>) {
        if let (Some(participant), Some(aor)) = (self.found.participants.last_mut(), aor) {
            participant.aors.push(aor);
        }
    }
}

/// The attributes of an element by their local names, in lower case.
struct Attributes(Vec<(String, String)>);

impl Attributes {
    fn of(start: &BytesStart, limits: &SiprecLimits) -> Self {
        let read = |a: quick_xml::events::attributes::Attribute| {
            let value = a.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()?;
            Some((local(a.key.as_ref()).to_ascii_lowercase(), cut(value.trim(), limits.text_bytes_max)))
        };
        Self(start.attributes().flatten().filter_map(read).collect())
    }

    fn get(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.0.iter().find(|(n, _)| n == name)).map(|(_, value)| value.clone())
    }
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}
