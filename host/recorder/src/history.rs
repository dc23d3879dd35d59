//! What was decided, read back: ledger entries, the sealed details beside them, and the words that lie in transcripts.
//!
//! Reads beside a running host: neither the write-ahead log nor a call is touched.

use std::collections::HashMap;

use bytes::Bytes;
use caveat_ledger::{Entry, EntryKind, Ledger, LedgerError};
use caveat_model::{
    CaptureEvent, ClientId, Digest, Event, Facts, Key, Keyed, Moment, RecordingId, Speech, Verdict, Word,
};
use caveat_vault::{Kind, Opener, VaultError};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{RecorderError, Who};

/// What a verdict's detail is sealed for.
pub(crate) const DETAIL: &str = "verdict";
/// The list of decisions in which points were given.
pub(crate) const SCORED: &str = "scored";
/// A clock that was set back by less than this hides no entry.
pub(crate) const CLOCK_BACK_MS: u64 = 3_600_000;
/// What a recording's pseudonym is made for.
pub(crate) const PSEUDONYM: &str = "recording";
/// Details that are read in one go,
const READ_TOGETHER: usize = 64;
/// and how many such goes are under way at the same time.
const READ_AT_ONCE: usize = 4;
/// Entries of a list that are read in one go; they may lie far apart.
const LISTED_AT_ONCE: u64 = 256;
/// Recordings whose words are held at hand; calls interleave in the ledger.
const TRANSCRIPTS_HELD: usize = 256;

/// Written beside a verdict's ledger entry: enough to rule again.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Detail<'a> {
    pub(crate) recording: Option<RecordingId>,
    pub(crate) event: &'a Event,
    pub(crate) facts: &'a Facts,
    pub(crate) verdict: &'a Verdict,
    /// Words and keys are left out of `event`: they lie in the sealed transcript, so that what is purged there is
    /// purged everywhere.
    pub(crate) words_in_transcript: bool,
    /// Who asked, and why, where somebody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) who: Option<&'a Who>,
}

/// A detail as it is read back.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recorded {
    /// Whose words `event` speaks of.
    #[serde(default)]
    pub recording: Option<RecordingId>,
    /// What happened; without words and keys.
    pub event: Event,
    /// What was known.
    pub facts: Facts,
    /// What was decided.
    pub verdict: Verdict,
    /// Whether words or keys were left out of the event.
    pub words_in_transcript: bool,
    /// Who asked, and why, where somebody did.
    #[serde(default)]
    pub who: Option<Who>,
}

/// Why a decision cannot be ruled again though nothing is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gone {
    /// Its words were purged, destroyed, or never kept.
    Words,
    /// Keys are never kept.
    Keys,
    /// Its words lie in a recording that is not sealed yet.
    NotSealed,
    /// Its detail was erased.
    Detail,
    /// A pack ran out of time, which no second run repeats.
    Time,
}

/// One decision of the past.
#[derive(Debug)]
pub struct Decision {
    /// Its place in the ledger.
    pub index: u64,
    /// When it was logged.
    pub at: Moment,
    /// The leaf.
    pub entry: EntryKind,
    /// What lies beside it; `Err(None)`: it was erased. `Err(Some)`: it is not what was put there.
    pub recorded: Result<Recorded, Option<String>>,
}

impl Decision {
    /// The recording's name in the ledger.
    pub fn pseudonym(&self) -> Option<&str> {
        match &self.entry {
            EntryKind::Verdict { recording, .. } => recording.as_deref(),
            _ => None,
        }
    }
}

/// From when until when.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    /// Not before.
    pub since: Option<Moment>,
    /// Before this.
    pub until: Option<Moment>,
}

impl Window {
    fn holds(&self, at: Moment) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }
}

/// The decisions of one client, in the order of the ledger.
pub struct History {
    ledger: Ledger,
    opener: Opener,
    client: ClientId,
    window: Window,
    size: u64,
    next: u64,
    back: Option<Back>,
    transcripts: HashMap<RecordingId, Result<Words, Gone>>,
}

/// A way through a list, from its end.
struct Back {
    list: &'static str,
    before: u64,
    /// What is older stands in no list.
    listed_since: u64,
}

impl Back {
    /// The entries before those that it gave last; empty at the beginning of the log.
    async fn entries(
        &mut self,
        ledger: &Ledger,
        client: &ClientId,
    ) -> Result<Vec<(u64, Entry, Bytes)>, RecorderError> {
        if self.before > self.listed_since {
            let found = ledger.entries_about_before(client, self.list, self.before, LISTED_AT_ONCE).await?;
            self.before = found.last().map_or(self.listed_since, |(index, ..)| *index);
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let from = self.before.saturating_sub(LISTED_AT_ONCE);
        let mut found = ledger.entries(client, from..self.before).await?;
        found.reverse();
        self.before = from;
        Ok(found)
    }
}

/// A detail that was opened, or why not, as [`Decision::recorded`] has it.
type Plain = Result<Zeroizing<Vec<u8>>, Option<String>>;

/// Words of a recording: by leg, start and end, in the order they were heard.
type Words = HashMap<(u8, u32, u32), Vec<String>>;

impl History {
    /// Of what stands in the ledger now.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn open(
        ledger: Ledger,
        opener: Opener,
        client: &ClientId,
        window: Window,
    ) -> Result<Self, RecorderError> {
        let size = ledger.size(client).await?;
        let client = client.clone();
        Ok(Self { ledger, opener, client, window, size, next: 0, back: None, transcripts: HashMap::new() })
    }

    /// Of a list of the ledger, the last first; of the time before there were lists, all decisions.
    ///
    /// # Errors
    /// As [`History::open`].
    pub(crate) async fn of_list(
        ledger: Ledger,
        opener: Opener,
        client: &ClientId,
        window: Window,
        list: &'static str,
    ) -> Result<Self, RecorderError> {
        let listed_since = ledger.listed_since(client).await?;
        let history = Self::open(ledger, opener, client, window).await?;
        let back = Back { list, before: history.size, listed_since };
        Ok(Self { back: Some(back), ..history })
    }

    /// Entries in the ledger, and how many of them were looked at.
    pub fn progress(&self) -> (u64, u64) {
        (self.next, self.size)
    }

    /// The next decisions; empty at the end.
    ///
    /// # Errors
    /// The ledger or its store cannot be read, or an entry is not the one in its tree.
    pub async fn next(&mut self) -> Result<Vec<Decision>, RecorderError> {
        while let Some(entries) = self.entries().await? {
            let wanted = entries.into_iter().filter(|(_, entry, _)| {
                matches!(entry.event, EntryKind::Verdict { .. }) && self.window.holds(entry.at)
            });
            let wanted = wanted.map(|(index, entry, _)| (index, entry));
            let found: Vec<Vec<Decision>> = stream::iter(wanted)
                .chunks(READ_TOGETHER)
                .map(|some| self.read(some))
                .buffered(READ_AT_ONCE)
                .try_collect()
                .await?;
            if !found.is_empty() {
                return Ok(found.into_iter().flatten().collect());
            }
        }
        Ok(vec![])
    }

    /// The next entries; none: there are no more.
    async fn entries(&mut self) -> Result<Option<Vec<(u64, Entry, Bytes)>>, RecorderError> {
        let entries = match &mut self.back {
            Some(back) => back.entries(&self.ledger, &self.client).await?,
            None if self.next < self.size => self.ledger.entries(&self.client, self.next..self.size).await?,
            None => return Ok(None),
        };
        let Some((last, ..)) = entries.last() else { return Ok(None) };
        if self.back.is_none() {
            self.next = last + 1;
            return Ok(Some(entries));
        }
        let is_old =
            |since: Moment| entries.iter().all(|(_, entry, _)| since.since(entry.at) > CLOCK_BACK_MS);
        let is_over = self.window.since.is_some_and(is_old);
        Ok((!is_over).then_some(entries))
    }

    /// The event as it was ruled on, with its words.
    ///
    /// # Errors
    /// The inner one says what is gone; the outer, that the vault failed.
    pub async fn whole_event(&mut self, recorded: &Recorded) -> Result<Result<Event, Gone>, RecorderError> {
        if !recorded.words_in_transcript {
            return Ok(Ok(recorded.event.clone()));
        }
        let Event::Capture(CaptureEvent::Words(speech)) = &recorded.event else { return Ok(Err(Gone::Keys)) };
        if speech.heard.is_empty() && speech.before.is_empty() {
            return Ok(Ok(recorded.event.clone()));
        }
        let Some(id) = recorded.recording else { return Ok(Err(Gone::Words)) };
        if !self.transcripts.contains_key(&id) {
            if self.transcripts.len() >= TRANSCRIPTS_HELD {
                self.transcripts.clear();
            }
            let words = self.transcript(id).await?;
            self.transcripts.insert(id, words);
        }
        Ok(match &self.transcripts[&id] {
            Ok(words) => with_words(speech, words)
                .map(|speech| Event::Capture(CaptureEvent::Words(speech)))
                .ok_or(Gone::Words),
            Err(gone) => Err(*gone),
        })
    }

    /// The recording's name in the ledger.
    pub(crate) async fn pseudonym(&self, id: RecordingId) -> Result<String, RecorderError> {
        Ok(self.opener.commitment(&self.client, PSEUDONYM, id.0.as_bytes()).await?.to_string())
    }

    async fn read(&self, entries: Vec<(u64, Entry)>) -> Result<Vec<Decision>, RecorderError> {
        let digests: Vec<Digest> = entries.iter().filter_map(|(_, entry)| entry.event.detail()).collect();
        let sealed = self.ledger.get_details(&self.client, &digests).await?;
        let mut opened = Vec::with_capacity(entries.len());
        for (_, entry) in &entries {
            let found = entry.event.detail().and_then(|digest| sealed.get(&digest));
            opened.push(self.open_detail(found).await?);
        }
        // Decoding is most of the work: away from the one task that waits for all of them.
        let decode =
            |plain: &[u8]| serde_json::from_slice(plain).map_err(|e| format!("it cannot be read: {e}"));
        let decode = move |plain: Plain| plain.and_then(|plain| decode(&plain).map_err(Some));
        let decoded = move || opened.into_iter().map(decode).collect::<Vec<_>>();
        let decoded = tokio::task::spawn_blocking(decoded).await;
        let decoded = decoded.map_err(|_| RecorderError::Interrupted { what: "reading details" })?;
        let decision = |((index, entry), recorded): ((u64, Entry), _)| Decision {
            index,
            at: entry.at,
            entry: entry.event,
            recorded,
        };
        Ok(entries.into_iter().zip(decoded).map(decision).collect())
    }

    async fn open_detail(&self, found: Option<&Result<Bytes, LedgerError>>) -> Result<Plain, RecorderError> {
        let sealed = match found {
            Some(Ok(sealed)) => sealed,
            None => return Ok(Err(None)),
            Some(Err(LedgerError::Damaged { why, .. })) => return Ok(Err(Some(why.clone()))),
            Some(Err(error)) => return Ok(Err(Some(error.to_string()))),
        };
        match self.opener.open_detail(&self.client, DETAIL, sealed).await {
            Ok(plain) => Ok(Ok(plain)),
            Err(VaultError::Damaged { flaw, .. }) => Ok(Err(Some(flaw.to_owned()))),
            Err(error) => Err(error.into()),
        }
    }

    async fn transcript(&self, id: RecordingId) -> Result<Result<Words, Gone>, RecorderError> {
        let reader = match self.opener.reader(&self.client, id).await {
            Ok(reader) => reader,
            Err(VaultError::NotSealed { .. }) => return Ok(Err(Gone::NotSealed)),
            Err(VaultError::Gone { .. } | VaultError::Unknown { .. }) => return Ok(Err(Gone::Words)),
            Err(error) => return Err(error.into()),
        };
        let mut words = Words::new();
        for segment in reader.frames().map(|f| f.segment).filter(|s| s.kind == Kind::Transcript) {
            let plain = match reader.read(segment.leg, segment.index, Kind::Transcript).await {
                Err(VaultError::Shredded { .. }) => continue,
                plain => plain?,
            };
            let said: Vec<Word> =
                serde_json::from_slice(&plain).map_err(|source| RecorderError::Facts { id, source })?;
            for word in said {
                words.entry((word.leg, word.start, word.end)).or_default().push(word.text);
            }
        }
        Ok(Ok(words))
    }
}

/// The event without what was said and keyed, and whether anything was left out.
pub(crate) fn without_words(event: &Event) -> (Event, bool) {
    let mute =
        |words: &[Word]| -> Vec<Word> { words.iter().map(|w| Word { text: String::new(), ..*w }).collect() };
    let blank = |key: &Key| Key { symbol: '?', ..*key };
    match event {
        Event::Capture(CaptureEvent::Words(s)) => {
            let speech = Speech { heard: mute(&s.heard), before: mute(&s.before) };
            (Event::Capture(CaptureEvent::Words(speech)), true)
        }
        Event::Capture(CaptureEvent::Keys(k)) => {
            let keyed = Keyed {
                pressed: blank(&k.pressed),
                before: k.before.iter().map(blank).collect(),
                words: mute(&k.words),
            };
            (Event::Capture(CaptureEvent::Keys(keyed)), true)
        }
        other => (other.clone(), false),
    }
}

/// Fills in the words by leg and time. None when one is missing, or when it is unclear which is which: words of one leg
/// with the same start and end are told apart by their order, and only if none of them is missing.
fn with_words(speech: &Speech, words: &Words) -> Option<Speech> {
    let mut used: HashMap<(u8, u32, u32), usize> = HashMap::new();
    let mut fill = |muted: &[Word]| -> Option<Vec<Word>> {
        let filled = muted.iter().map(|word| {
            let name = (word.leg, word.start, word.end);
            let nth = used.entry(name).or_default();
            let text = words.get(&name)?.get(*nth)?.clone();
            *nth += 1;
            Some(Word { text, ..*word })
        });
        filled.collect()
    };
    // What was heard before comes first in the transcript too.
    let before = fill(&speech.before)?;
    let heard = fill(&speech.heard)?;
    let unclear =
        |(name, used): (&(u8, u32, u32), &usize)| words[name].len() > 1 && words[name].len() != *used;
    if used.iter().any(unclear) {
        return None;
    }
    Some(Speech { heard, before })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn word(start: u32, text: &str) -> Word {
        Word { leg: 1, start, end: start + 100, text: text.into() }
    }

    #[test]
    fn words_come_back_or_are_said_to_be_gone() {
        let speech = Speech { heard: vec![word(200, "b"), word(300, "c")], before: vec![word(100, "a")] };
        let whole = Event::Capture(CaptureEvent::Words(speech.clone()));
        let (Event::Capture(CaptureEvent::Words(mute)), true) = without_words(&whole) else {
            panic!("words are left out")
        };
        assert!(mute.heard.iter().all(|w| w.text.is_empty()));
        let mut kept: Words = speech
            .before
            .iter()
            .chain(&speech.heard)
            .map(|w| ((w.leg, w.start, w.end), vec![w.text.clone()]))
            .collect();
        assert_eq!(with_words(&mute, &kept), Some(speech));
        // A word of the same time that is not in the event: which one was heard cannot be told.
        kept.get_mut(&(1, 200, 300)).unwrap().push("d".into());
        assert_eq!(with_words(&mute, &kept), None);
        kept.remove(&(1, 200, 300));
        assert_eq!(with_words(&mute, &kept), None);
    }
}
