//! Putting evidence together: the packs rule on an export of each recording, the intent is logged, then it is gathered.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use caveat_access::SignedIn;
use caveat_ledger::{EntryKind, Inclusion, Signed};
use caveat_model::{Act, ClientId, Digest, Facts, Moment, RecordingId, Span, Word};
use caveat_vault::{Kind, Reader, Segment};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    ABOUT, About, CHECKPOINT, DETAILS, ENTRIES, FORMAT, FRAMES, HEADER, MANIFEST, Manifest, Member, Opened,
    Part, Proven, SIGNATURE, SOUND, TOKEN, TOKEN_GROWN, TOKEN_OVER, TRANSCRIPT, container::Writer, is_shown,
    member_of, sound,
};
use crate::{
    Asked, Decided, Recorder, RecorderError,
    catalog::Listed,
    history::{CLOCK_BACK_MS, DETAIL},
    house::House,
    listen::Granted,
};

/// How many ledger entries are read at once.
const ENTRIES_AT_ONCE: u64 = 1_024;
/// The sound beside the frames takes as much again, twice: 16 bits for 8.
const SOUND_PER_OBJECT: u64 = 3;

/// A recording whose export was granted.
struct Gathering {
    id: RecordingId,
    listed: Listed,
    granted: Granted,
    /// By index, with the stored bytes.
    entries: BTreeMap<u64, (EntryKind, Bytes)>,
}

impl Recorder {
    /// One file that proves a recording to whoever has the public key. Only what the packs let this person have is in it.
    ///
    /// # Errors
    /// As [`Recorder::play`]; [`RecorderError::TooLarge`] beyond `evidence_bytes_max`.
    pub async fn export(
        &self,
        who: &SignedIn,
        id: RecordingId,
        asked: &Asked,
    ) -> Result<Result<Vec<u8>, Decided>, RecorderError> {
        let (listed, facts) = self.house.catalog.get(&who.client, id).await?;
        if !is_kept(&listed) {
            return Err(RecorderError::NotKept { id, state: listed.state });
        }
        match self.decide(who, Some(id), facts, &to_export(asked)).await? {
            Err(decided) => Ok(Err(decided)),
            Ok(granted) => {
                let part = part(&listed, true, Some(granted.decided.clone()));
                let one = Gathering { id, listed, granted, entries: BTreeMap::new() };
                self.hand_over(who, asked, None, vec![part], vec![one]).await.map(Ok)
            }
        }
    }

    /// The same of every recording that is under hold for a matter. What may not be handed over is named, with the reasons.
    ///
    /// # Errors
    /// As [`Recorder::export`]; [`RecorderError::NoSuchCase`].
    pub async fn export_case(
        &self,
        who: &SignedIn,
        case: &str,
        asked: &Asked,
    ) -> Result<Vec<u8>, RecorderError> {
        let ids = self.house.retention.held_for(&who.client, case).await?;
        if ids.is_empty() {
            return Err(RecorderError::NoSuchCase { case: case.chars().take(80).collect() });
        }
        let (mut parts, mut gathering) = (vec![], vec![]);
        for id in ids {
            let (listed, facts) = match self.house.catalog.get(&who.client, id).await {
                Ok((listed, facts)) if is_kept(&listed) => (listed, facts),
                Ok((Listed { state, .. }, _)) | Err(RecorderError::NotKept { state, .. }) => {
                    parts.push(Part { id, state, given: false, decided: None });
                    continue;
                }
                Err(error) => return Err(error),
            };
            match self.decide(who, Some(id), facts, &to_export(asked)).await? {
                Err(decided) => parts.push(part(&listed, false, Some(decided))),
                Ok(granted) => {
                    parts.push(part(&listed, true, Some(granted.decided.clone())));
                    gathering.push(Gathering { id, listed, granted, entries: BTreeMap::new() });
                }
            }
        }
        self.hand_over(who, asked, Some(case.to_owned()), parts, gathering).await
    }

    /// Gathers what was granted, and logs what came of it.
    async fn hand_over(
        &self,
        who: &SignedIn,
        asked: &Asked,
        case: Option<String>,
        parts: Vec<Part>,
        mut gathering: Vec<Gathering>,
    ) -> Result<Vec<u8>, RecorderError> {
        let made = self.house.clock.now();
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            client: who.client.clone(),
            log: self.house.ledger.log_name(&who.client),
            made,
            purpose: asked.purpose,
            case,
            recordings: parts,
            members: vec![],
        };
        let file = self.gather(manifest, asked, &mut gathering).await;
        let (bytes, digest) = match &file {
            Ok(file) => (file.len() as u64, Some(digest(file))),
            Err(_) => (0, None),
        };
        for one in &gathering {
            let (intent, ok) = (one.granted.intent, file.is_ok());
            let result = EntryKind::AccessResult { intent, ok, bytes, digest };
            self.house.enter(&who.client, result).await?;
        }
        file
    }

    async fn gather(
        &self,
        mut manifest: Manifest,
        asked: &Asked,
        gathering: &mut [Gathering],
    ) -> Result<Vec<u8>, RecorderError> {
        let house = &self.house;
        let client = manifest.client.clone();
        let stamps = house.entries_about(&client, gathering).await?;
        let indices: Vec<u64> = gathering.iter().flat_map(|one| one.entries.keys().copied()).collect();
        let (checkpoint, proofs) = house.ledger.prove_all(&client, &indices).await?;
        let (writer, limit) = (Writer::new(manifest.made), house.limits.evidence_bytes_max);
        let mut file = File { writer, members: vec![], bytes: 0, limit };
        file.add(CHECKPOINT.to_owned(), checkpoint.as_bytes())?;
        house.add_timestamp(&client, gathering, &stamps, &checkpoint, &mut file).await?;
        let mut proofs = proofs.as_slice();
        for one in gathering.iter() {
            let (of_this, rest) = proofs.split_at(one.entries.len().min(proofs.len()));
            proofs = rest;
            house.add_recording(&client, one, asked, of_this, &mut file).await?;
        }
        manifest.members = std::mem::take(&mut file.members);
        let text = json(&manifest)?;
        let signature = house.ledger.vouch(&client, FORMAT, digest(&text))?;
        file.add(MANIFEST.to_owned(), &text)?;
        file.add(SIGNATURE.to_owned(), signature.as_bytes())?;
        file.writer.finish().map_err(RecorderError::Evidence)
    }
}

impl House {
    /// Every entry of the log that is about one of these; and the timestamps since: entries that each covers, and its token.
    async fn entries_about(
        &self,
        client: &ClientId,
        gathering: &mut [Gathering],
    ) -> Result<Vec<(u64, Digest)>, RecorderError> {
        let (mut by_name, mut stamps) = (BTreeMap::new(), vec![]);
        for (place, one) in gathering.iter().enumerate() {
            by_name.insert(self.pseudonym(client, one.id).await?, place);
        }
        let Some(began) = gathering.iter().map(|one| one.listed.began).min() else { return Ok(vec![]) };
        let size = self.ledger.size(client).await?;
        let mut from = self.first_at(client, began, size).await?;
        let mut intents: BTreeMap<u64, usize> = BTreeMap::new();
        while from < size {
            let until = size.min(from + ENTRIES_AT_ONCE);
            for (index, entry, bytes) in self.ledger.entries(client, from..until).await? {
                let kind = entry.event;
                if let EntryKind::Timestamped { size, token, .. } = kind {
                    stamps.push((size, token));
                }
                let place = match kind.intent() {
                    Some(intent) => intents.get(&intent),
                    None => kind.recording().and_then(|name| by_name.get(name)),
                };
                let Some(&place) = place else { continue };
                if matches!(kind, EntryKind::AccessIntent { .. } | EntryKind::DisposalIntent { .. }) {
                    intents.insert(index, place);
                }
                if let Some(one) = gathering.get_mut(place) {
                    one.entries.insert(index, (kind, bytes));
                }
            }
            from = until;
        }
        Ok(stamps)
    }

    /// The first timestamp that covers every seal: an authority's word that all of it was there before then.
    async fn add_timestamp(
        &self,
        client: &ClientId,
        gathering: &[Gathering],
        stamps: &[(u64, Digest)],
        checkpoint: &str,
        file: &mut File,
    ) -> Result<(), RecorderError> {
        let entries = gathering.iter().flat_map(|one| &one.entries);
        let seals = entries.filter(|(_, (kind, _))| matches!(kind, EntryKind::Sealed { .. }));
        let last = seals.map(|(index, _)| *index).max().unwrap_or_default();
        let Some(&(size, token)) = stamps.iter().find(|(size, _)| *size > last) else { return Ok(()) };
        let stamp = self.ledger.stamp_of(client, token).await?;
        let now = Signed::open(checkpoint.as_bytes(), &self.ledger.vkey(client))?.size();
        let grown = self.ledger.prove_consistency(client, size, now).await?;
        file.add(TOKEN.to_owned(), &stamp.token)?;
        file.add(TOKEN_OVER.to_owned(), stamp.checkpoint.as_bytes())?;
        file.add(TOKEN_GROWN.to_owned(), &json(&grown)?)
    }

    /// An index before which no entry is as young as `began`, for all that clocks may have been set back.
    pub(crate) async fn first_at(
        &self,
        client: &ClientId,
        began: Moment,
        size: u64,
    ) -> Result<u64, RecorderError> {
        let (mut low, mut high) = (0, size);
        while low < high {
            let middle = low + (high - low) / 2;
            let entries = self.ledger.entries(client, middle..middle + 1).await?;
            match entries.first() {
                Some((_, entry, _)) if began.since(entry.at) > CLOCK_BACK_MS => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    async fn add_recording(
        &self,
        client: &ClientId,
        one: &Gathering,
        asked: &Asked,
        proofs: &[Inclusion],
        file: &mut File,
    ) -> Result<(), RecorderError> {
        let id = one.id;
        let reader = self.vault.reader(client, id).await?;
        file.expect(reader.seal().bytes.saturating_mul(SOUND_PER_OBJECT))?;
        let hidden = one.granted.silenced.as_slice();
        let (from_second, to_second) = sound::seconds_of(asked.span, reader.seal().duration_ms);
        let shown = shown(&reader, from_second..to_second, hidden).await?;
        let disclosure = reader.disclose(&shown).await?;
        let (disclosed, seconds) = sound::open(client, id, &disclosure, &[])?;
        let seconds = seconds.map_err(RecorderError::Audio)?;
        let wav = sound::wav(&disclosed.header, &seconds, from_second, to_second);
        let wav = wav.map_err(RecorderError::Audio)?;
        let facts: Facts = one.granted.facts.clone();
        let about = About { listed: one.listed.clone(), from_second, to_second, facts };

        file.add(member_of(id, ABOUT), &json(&about)?)?;
        file.add(member_of(id, HEADER), &disclosure.header)?;
        file.add(member_of(id, FRAMES), &disclosure.frames)?;
        file.add(member_of(id, SOUND), &wav)?;
        file.add(member_of(id, TRANSCRIPT), &json(&seconds.words())?)?;
        let proven = one.entries.iter().zip(proofs).map(|((index, (_, entry)), proof)| Proven {
            index: *index,
            entry: BASE64_STANDARD.encode(entry),
            hashes: proof.hashes.clone(),
        });
        file.add(member_of(id, ENTRIES), &lines(proven)?)?;
        file.add(member_of(id, DETAILS), &lines(self.details(client, one).await?)?)
    }

    /// What lies beside the entries, as far as it is shown and was not erased.
    async fn details(&self, client: &ClientId, one: &Gathering) -> Result<Vec<Opened>, RecorderError> {
        let own = one.entries.get(&one.granted.intent).and_then(|(kind, _)| match kind {
            EntryKind::AccessIntent { verdict, .. } => Some(*verdict),
            _ => None,
        });
        let mut opened = vec![];
        for (index, (kind, _)) in &one.entries {
            let Some(digest) = kind.detail().filter(|_| is_shown(kind, *index, own)) else { continue };
            let Some(sealed) = self.ledger.get_detail(client, digest).await? else { continue };
            let plain = self.vault.open_detail(client, DETAIL, &sealed).await?;
            let key = self.vault.opener().disclose_detail(client, DETAIL, &sealed).await?;
            opened.push(Opened {
                index: *index,
                sealed: BASE64_STANDARD.encode(&sealed),
                key: BASE64_STANDARD.encode(&key[..]),
                plain: serde_json::from_slice(&plain)
                    .map_err(|source| RecorderError::Facts { id: one.id, source })?,
            });
        }
        Ok(opened)
    }
}

/// Sound and words that may be handed over, of what was asked for.
async fn shown(
    reader: &Reader,
    seconds: Range<u32>,
    hidden: &[Span],
) -> Result<HashSet<Segment>, RecorderError> {
    let is_shown = |leg, second| sound::is_shown((leg, second), seconds.start, seconds.end, hidden);
    let segments = reader.frames().map(|frame| frame.segment);
    let sound = segments.filter(|s| s.kind == Kind::Audio && is_shown(s.leg, s.index));
    let mut shown: HashSet<Segment> = sound.collect();
    for leg in reader.header().legs.iter().map(|l| l.leg) {
        for (index, plain) in reader.read_all(leg, seconds.clone(), Kind::Transcript).await? {
            let words = plain.and_then(|plain| serde_json::from_slice::<Vec<Word>>(&plain).ok());
            if shown.contains(&Segment { leg, index, kind: Kind::Audio })
                && words.is_some_and(|words| sound::is_sayable(leg, &words, hidden))
            {
                shown.insert(Segment { leg, index, kind: Kind::Transcript });
            }
        }
    }
    Ok(shown)
}

/// The file, with what is in it so far.
struct File {
    writer: Writer,
    members: Vec<Member>,
    bytes: u64,
    limit: u64,
}

impl File {
    /// Refuses what would become too large before it is read.
    fn expect(&self, bytes: u64) -> Result<(), RecorderError> {
        let given = self.bytes.saturating_add(bytes);
        match given <= self.limit {
            true => Ok(()),
            false => Err(RecorderError::TooLarge { what: "evidence", given, limit: self.limit }),
        }
    }

    fn add(&mut self, name: String, bytes: &[u8]) -> Result<(), RecorderError> {
        self.expect(bytes.len() as u64)?;
        self.bytes += bytes.len() as u64;
        self.writer.add(&name, bytes).map_err(RecorderError::Evidence)?;
        self.members.push(Member { name, bytes: bytes.len() as u64, sha256: digest(bytes) });
        Ok(())
    }
}

fn to_export(asked: &Asked) -> Asked {
    Asked { act: Act::Export, ..asked.clone() }
}

fn is_kept(listed: &Listed) -> bool {
    listed.state == "sealed" || listed.state == "interrupted"
}

fn part(listed: &Listed, given: bool, decided: Option<Decided>) -> Part {
    Part { id: listed.id, state: listed.state.clone(), given, decided }
}

fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, RecorderError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| RecorderError::Evidence(e.into()))?;
    text.push(b'\n');
    Ok(text)
}

fn lines(values: impl IntoIterator<Item: Serialize>) -> Result<Vec<u8>, RecorderError> {
    let mut text = vec![];
    for value in values {
        serde_json::to_writer(&mut text, &value).map_err(|e| RecorderError::Evidence(e.into()))?;
        text.push(b'\n');
    }
    Ok(text)
}
