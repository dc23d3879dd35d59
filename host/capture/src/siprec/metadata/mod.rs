//! What a session recording client says of a call: who is on it, and on which stream each is heard (RFC 7865, RFC 9806).
//!
//! Clients keep to the RFC, to one of its drafts, or to a reading of their own; see [`read`]. Whatever cannot be read is
//! as good as not said, and costs nobody a recording.

mod read;

pub(crate) use read::read;

/// What is known of a recording session. Empty where nothing was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// Whether it is all there is to know, or what has changed.
    pub(crate) is_partial: bool,
    /// Communication sessions.
    pub(crate) sessions: Vec<Session>,
    /// In the order in which they were named.
    pub(crate) participants: Vec<Participant>,
    /// Streams, by whose labels the media lines are found.
    pub(crate) streams: Vec<Stream>,
    /// Who is in which session.
    pub(crate) memberships: Vec<Membership>,
    /// Who is heard on which streams, and hears which.
    pub(crate) voices: Vec<Voice>,
}

/// A communication session: the call that is recorded, or a part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// Its id.
    pub(crate) id: String,
    /// Its ids in SIP (RFC 7989), without parameters.
    pub(crate) sip_ids: Vec<String>,
    /// Sessions of one group are of one call: before and after a transfer.
    pub(crate) group: Option<String>,
    /// Why it is recorded, in the client's words.
    pub(crate) reason: Option<String>,
    /// It is over.
    pub(crate) stopped: bool,
}

/// Somebody on a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Participant {
    /// Its id.
    pub(crate) id: String,
    /// Its addresses of record: `sip:`, `tel:`, or bare.
    pub(crate) aors: Vec<String>,
}

/// A media stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Its id.
    pub(crate) id: String,
    /// The label of its media line.
    pub(crate) label: Option<String>,
}

/// Somebody's part in a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Membership {
    /// Who.
    pub(crate) participant: String,
    /// In which session.
    pub(crate) session: String,
    /// It is over.
    pub(crate) left: bool,
}

/// Somebody's part in the streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Voice {
    /// Who.
    pub(crate) participant: String,
    /// Streams on which it is heard.
    pub(crate) sends: Vec<String>,
    /// Streams that it hears.
    pub(crate) receives: Vec<String>,
    /// It is over.
    pub(crate) left: bool,
}

impl Metadata {
    /// What is known after `update`: a complete one replaces everything, a partial one what it names, by id.
    pub(crate) fn merged(mut self, update: Metadata) -> Self {
        if !update.is_partial {
            return update;
        }
        let Metadata { is_partial: _, sessions, participants, streams, memberships, voices } = update;
        put(&mut self.sessions, sessions, |s| s.id.clone(), Session::take);
        put(&mut self.participants, participants, |p| p.id.clone(), Participant::take);
        put(
            &mut self.streams,
            streams,
            |s| s.id.clone(),
            |old, new| old.label = new.label.or(old.label.take()),
        );
        let key = |m: &Membership| (m.participant.clone(), m.session.clone());
        put(&mut self.memberships, memberships, key, |old, new| *old = new);
        put(&mut self.voices, voices, |v| v.participant.clone(), |old, new| *old = new);
        self
    }

    /// How many things it is about.
    pub(crate) fn len(&self) -> usize {
        let Self { is_partial: _, sessions, participants, streams, memberships, voices } = self;
        sessions.len() + participants.len() + streams.len() + memberships.len() + voices.len()
    }

    /// Whether it names an id that was never explained.
    pub(crate) fn has_unknown_ids(&self) -> bool {
        let stream = |id: &String| self.streams.iter().any(|s| s.id == *id);
        let participant = |id: &String| self.participants.iter().any(|p| p.id == *id);
        self.voices.iter().any(|v| !participant(&v.participant) || !v.sends.iter().all(stream))
    }

    /// Whether somebody is on the call: a member of some session, or at least not known to have left them all.
    pub(crate) fn is_present(&self, participant: &str) -> bool {
        let mut of = self.memberships.iter().filter(|m| m.participant == participant).peekable();
        of.peek().is_none() || of.any(|m| !m.left)
    }

    /// The labels of the streams on which somebody is heard.
    pub(crate) fn labels_of<'a>(&'a self, participant: &'a str) -> impl Iterator<Item = &'a str> {
        let voices = self.voices.iter().filter(move |v| v.participant == participant && !v.left);
        let ids = voices.flat_map(|v| &v.sends);
        ids.filter_map(|id| self.streams.iter().find(|s| s.id == *id)?.label.as_deref())
    }
}

impl Session {
    fn take(&mut self, new: Self) {
        if !new.sip_ids.is_empty() {
            self.sip_ids = new.sip_ids;
        }
        self.group = new.group.or(self.group.take());
        self.reason = new.reason.or(self.reason.take());
        self.stopped |= new.stopped;
    }
}

impl Participant {
    fn take(&mut self, new: Self) {
        if !new.aors.is_empty() {
            self.aors = new.aors;
        }
    }
}

fn put<T, K: PartialEq>(known: &mut Vec<T>, new: Vec<T>, key: impl Fn(&T) -> K, merge: impl Fn(&mut T, T)) {
    for new in new {
        match known.iter_mut().find(|old| key(old) == key(&new)) {
            Some(old) => merge(old, new),
            None => known.push(new),
        }
    }
}

/// The beginning of `text`, at most `bytes_max` long, cut between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
