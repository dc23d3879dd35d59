//! Checks evidence: offline, with the public key alone, believing no byte before it is vouched for.
//!
//! First the file: the signature, then every member against the signed list. Then what it says, which the host itself could
//! not make up later: the entries are in the signed log, the frames give the root that was logged when the recording was
//! sealed, the sound is what the frames hold, the decisions are those that were logged.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::Read,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_ledger::{
    Authorities, Consistency, Entry, EntryKind, LedgerError, Signed, check_timestamp, vouched,
};
use caveat_model::{Act, ClientId, Digest, Moment, Outcome, RecordingId, Word};
use caveat_vault::{Disclosed, Disclosure, open_disclosed_detail};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use super::{
    ABOUT, About, CHECKPOINT, DETAILS, ENTRIES, FORMAT, FRAMES, HEADER, MANIFEST, Manifest, Member, Opened,
    Part, Proven, SIGNATURE, SOUND, TOKEN, TOKEN_GROWN, TOKEN_OVER, TRANSCRIPT, container, is_shown,
    member_of, sound,
};
use crate::history::{DETAIL, Recorded};

/// What a check of evidence found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EvidenceReport {
    /// Whose; none where nothing is vouched for.
    pub client: Option<ClientId>,
    /// The log whose key vouches for it.
    pub log: Option<String>,
    /// When it was made, by the host's clock.
    pub made: Option<Moment>,
    /// Entries that its checkpoint vouches for.
    pub checkpoint_size: u64,
    /// An authority's word on when the log was so long.
    pub timestamp: Option<EvidenceTime>,
    /// What is in it.
    pub recordings: Vec<RecordingEvidence>,
    /// Everything that does not hold.
    pub problems: Vec<EvidenceProblem>,
}

/// Until when entries were there at the latest.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EvidenceTime {
    /// So many entries of the log were there ...
    pub entries: u64,
    /// ... before this time.
    pub at: Moment,
    /// Whether the authority's signature was checked.
    pub trusted: bool,
}

/// One recording in evidence.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecordingEvidence {
    /// Which.
    pub id: RecordingId,
    /// Whether its content is here.
    pub given: bool,
    /// Frames that were sealed.
    pub frames: u64,
    /// Of these, shown with their keys; of the others, digests are here.
    pub shown: u64,
    /// Entries of the log about it.
    pub entries: u64,
    /// What was decided, in order, as far as it is shown.
    pub rulings: Vec<Ruled>,
    /// Decisions whose details are not shown: somebody else's access, or erased.
    pub withheld: u64,
}

/// A decision, with its reasons.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ruled {
    /// Which entry.
    pub index: u64,
    /// When it was logged.
    pub at: Moment,
    /// About what ("offered", "export").
    pub event: String,
    /// The contract's word.
    pub outcome: String,
    /// Rule, citation, message.
    pub reasons: Vec<(String, String, String)>,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EvidenceProblem {
    /// Which member of the file.
    pub member: String,
    /// What is wrong.
    pub what: String,
}

impl EvidenceReport {
    /// Whether everything holds.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for EvidenceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.recordings {
            let RecordingEvidence { id, frames, shown, entries, withheld, .. } = one;
            if !one.given {
                writeln!(f, "{id}: not in this file; the manifest says why")?;
                continue;
            }
            writeln!(f, "{id}: {frames} frames, {shown} shown; {entries} entries of the log")?;
            for Ruled { index, at, event, outcome, reasons } in &one.rulings {
                writeln!(f, "  {at} entry {index}, {event}: {outcome}")?;
                for (rule, citation, message) in reasons {
                    writeln!(f, "    {rule} ({citation}): {message}")?;
                }
            }
            if *withheld > 0 {
                writeln!(f, "  {withheld} decisions without their details: others' accesses, or erased")?;
            }
        }
        if let Some(EvidenceTime { entries, at, trusted }) = &self.timestamp {
            let checked = if *trusted { "checked" } else { "its signature not checked: give --timestamp-ca" };
            writeln!(f, "the first {entries} entries of the log were there before {at} ({checked})")?;
        }
        for EvidenceProblem { member, what } in &self.problems {
            writeln!(f, "error, {member}: {what}")?;
        }
        let log = self.log.as_deref().unwrap_or("unknown log");
        let verdict = if self.is_good() { "good" } else { "NOT GOOD" };
        let made = self.made.map_or(String::new(), |at| format!(", made {at}"));
        writeln!(f, "{log}: {verdict}; checkpoint of {} entries{made}", self.checkpoint_size)
    }
}

/// Checks the file against the public key `vkey`, which should come from elsewhere than the file. Where authorities are
/// given, its timestamp has to be by one of them. What is wrong is in the report.
pub fn verify_evidence(file: impl Read, vkey: &str, authorities: &Authorities) -> EvidenceReport {
    let mut check = Check { members: BTreeMap::new(), vkey: vkey.trim(), problems: vec![] };
    let mut report = EvidenceReport {
        client: None,
        log: None,
        made: None,
        checkpoint_size: 0,
        timestamp: None,
        recordings: vec![],
        problems: vec![],
    };
    match container::read(file) {
        Ok(members) => check.members = members,
        Err(why) => check.bad("file", why),
    }
    // Without a signature everything in it is a stranger's word, and reading stops here.
    if let Some(manifest) = check.manifest() {
        report.client = Some(manifest.client.clone());
        report.log = Some(manifest.log.clone());
        report.made = Some(manifest.made);
        check.list(&manifest);
        if let Some(signed) = check.checkpoint() {
            report.checkpoint_size = signed.size();
            report.timestamp = check.timestamp(authorities);
            for part in &manifest.recordings {
                report.recordings.push(check.recording(&manifest, part, &signed));
            }
        }
    }
    report.problems = check.problems;
    report
}

struct Check<'a> {
    members: BTreeMap<String, Vec<u8>>,
    vkey: &'a str,
    problems: Vec<EvidenceProblem>,
}

/// The entries of one recording, each proven to be in the log.
type Entries = BTreeMap<u64, Entry>;

impl Check<'_> {
    fn manifest(&mut self) -> Option<Manifest> {
        let signed = match self.members.get(SIGNATURE) {
            Some(note) => vouched(note, self.vkey, FORMAT).map_err(|e| e.to_string()),
            None => Err("it is missing: nothing here is vouched for".to_owned()),
        };
        let (log, digest) = signed.map_err(|why| self.bad(SIGNATURE, why)).ok()?;
        let Some(text) = self.members.get(MANIFEST).filter(|text| digest_of(text) == digest) else {
            self.bad(MANIFEST, "it is not what was signed");
            return None;
        };
        let manifest: Manifest =
            serde_json::from_slice(text).map_err(|e| self.bad(MANIFEST, e.to_string())).ok()?;
        if manifest.format != FORMAT || manifest.log != log {
            self.bad(MANIFEST, format!("it is `{}` of `{}`", manifest.format, manifest.log));
            return None;
        }
        Some(manifest)
    }

    /// Every member is the one that was signed, and there is no other.
    fn list(&mut self, manifest: &Manifest) {
        let mut there: BTreeSet<String> = self.members.keys().cloned().collect();
        there.remove(MANIFEST);
        there.remove(SIGNATURE);
        for Member { name, bytes, sha256 } in &manifest.members {
            if !there.remove(name) {
                self.bad(name, "it is missing, or listed twice");
                continue;
            }
            let same = |m: &Vec<u8>| m.len() as u64 == *bytes && digest_of(m) == *sha256;
            if !self.members.get(name).is_some_and(same) {
                self.bad(name, "it is not what was signed");
            }
        }
        for name in there {
            self.bad(&name, "it is no part of this evidence");
        }
    }

    fn checkpoint(&mut self) -> Option<Signed> {
        let opened = match self.members.get(CHECKPOINT) {
            Some(note) => Signed::open(note, self.vkey).map_err(|e| e.to_string()),
            None => Err("it is missing".to_owned()),
        };
        opened.map_err(|why| self.bad(CHECKPOINT, why)).ok()
    }

    /// An authority's word, if there is one, on a checkpoint that this one has grown from.
    fn timestamp(&mut self, authorities: &Authorities) -> Option<EvidenceTime> {
        let token = self.members.remove(TOKEN)?;
        let (earlier, later) = (self.text(TOKEN_OVER)?, self.members.get(CHECKPOINT)?.clone());
        let grown = self.text(TOKEN_GROWN)?;
        let grown: Consistency =
            serde_json::from_str(&grown).map_err(|e| self.bad(TOKEN_GROWN, e.to_string())).ok()?;
        let later = String::from_utf8_lossy(&later);
        let over = || -> Result<EvidenceTime, LedgerError> {
            grown.check(self.vkey, &earlier, &later)?;
            let stamped = check_timestamp(&token, digest_of(earlier.as_bytes()), None, authorities)?;
            let entries = Signed::open(earlier.as_bytes(), self.vkey)?.size();
            Ok(EvidenceTime { entries, at: stamped.at, trusted: stamped.trusted })
        };
        over().map_err(|e| self.bad(TOKEN, e.to_string())).ok()
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let bytes = self.member(name)?;
        String::from_utf8(bytes).map_err(|_| self.bad(name, "it is no text")).ok()
    }

    fn recording(&mut self, manifest: &Manifest, part: &Part, signed: &Signed) -> RecordingEvidence {
        let mut found = RecordingEvidence {
            id: part.id,
            given: part.given,
            frames: 0,
            shown: 0,
            entries: 0,
            rulings: vec![],
            withheld: 0,
        };
        if !part.given {
            return found;
        }
        let entries = self.entries(part.id, signed);
        found.entries = entries.len() as u64;
        let own = self.own_verdict(manifest, part, &entries);
        self.details(manifest, part.id, &entries, own, &mut found);
        if let Some(disclosed) = self.frames(manifest, part, &entries) {
            (found.frames, found.shown) = (disclosed.count, disclosed.shown);
        }
        found
    }

    /// Entries that are in the log, all of one recording, from its beginning to its seal.
    fn entries(&mut self, id: RecordingId, signed: &Signed) -> Entries {
        let name = member_of(id, ENTRIES);
        let (mut entries, mut names, mut after) = (Entries::new(), BTreeSet::new(), None);
        for Proven { index, entry, hashes } in self.lines::<Proven>(&name) {
            if after.is_some_and(|before| index <= before) {
                self.bad(&name, format!("entry {index} is out of order"));
            }
            after = Some(index);
            let Ok(bytes) = BASE64_STANDARD.decode(entry) else {
                self.bad(&name, format!("entry {index} is not base64"));
                continue;
            };
            if let Err(e) = signed.check(index, &bytes, &hashes) {
                self.bad(&name, format!("entry {index} is not in the log: {e}"));
                continue;
            }
            match serde_json::from_slice::<Entry>(&bytes) {
                Ok(entry) => drop(entries.insert(index, entry)),
                Err(e) => self.bad(&name, format!("entry {index} cannot be read: {e}")),
            }
        }
        for (index, entry) in &entries {
            match (entry.event.intent(), entry.event.recording()) {
                (Some(intent), _) if entries.contains_key(&intent) => {}
                (None, Some(pseudonym)) => drop(names.insert(pseudonym)),
                _ => self.bad(&name, format!("entry {index} is about something else")),
            }
        }
        if names.len() != 1 {
            self.bad(&name, format!("they are about {} recordings, not about one", names.len()));
        }
        let of = |wanted: fn(&EntryKind) -> bool| entries.values().filter(|e| wanted(&e.event)).count();
        let opened = of(|e| matches!(e, EntryKind::RecordingOpened { .. }));
        let sealed = of(|e| matches!(e, EntryKind::Sealed { .. }));
        if (opened, sealed) != (1, 1) {
            self.bad(&name, format!("the recording was opened {opened} times and sealed {sealed} times"));
        }
        entries
    }

    /// The verdict that this export rests on: granted, for the purpose that the manifest names.
    fn own_verdict(&mut self, manifest: &Manifest, part: &Part, entries: &Entries) -> Option<u64> {
        let name = member_of(part.id, ENTRIES);
        let intent = part.decided.as_ref().and_then(|d| entries.get(&d.ledger_index));
        let Some(Entry { event: EntryKind::AccessIntent { act, purpose, verdict, grant, .. }, .. }) = intent
        else {
            self.bad(&name, "the log does not tell of this export");
            return None;
        };
        if *act != Act::Export || !grant || *purpose != manifest.purpose {
            self.bad(&name, "the log tells of another access than this export");
        }
        match entries.get(verdict).map(|e| &e.event) {
            Some(EntryKind::Verdict { event, outcome: Outcome::Allow, .. }) if event == "export" => {}
            _ => self.bad(&name, "no verdict allowed this export"),
        }
        Some(*verdict)
    }

    /// What lies beside the entries is what was logged, and the entries follow from it.
    fn details(
        &mut self,
        manifest: &Manifest,
        id: RecordingId,
        entries: &Entries,
        own: Option<u64>,
        found: &mut RecordingEvidence,
    ) {
        let name = member_of(id, DETAILS);
        let (mut seen, mut has_own, mut named) = (BTreeSet::new(), false, false);
        for opened in self.lines::<Opened>(&name) {
            let index = opened.index;
            let entry = entries.get(&index).filter(|e| is_shown(&e.event, index, own));
            let Some(entry) = entry.filter(|_| seen.insert(index)) else {
                self.bad(&name, format!("a detail is of entry {index}, which has none here"));
                continue;
            };
            let recorded = match open_detail(&manifest.client, &opened, &entry.event) {
                Ok(recorded) => recorded,
                Err(why) => {
                    self.bad(&name, format!("entry {index}: {why}"));
                    continue;
                }
            };
            if recorded.recording.is_some_and(|of| of != id) {
                self.bad(&name, format!("entry {index} is about another recording"));
            }
            has_own |= Some(index) == own;
            named |= recorded.recording == Some(id);
            let verdict = &recorded.verdict;
            let why = verdict.reasons().map(|(_, r)| (r.rule.clone(), r.citation.clone(), r.message.clone()));
            found.rulings.push(Ruled {
                index,
                at: entry.at,
                event: recorded.event.name().to_owned(),
                outcome: verdict.outcome.word(verdict.stage).to_owned(),
                reasons: why.collect(),
            });
        }
        if !has_own || !named {
            self.bad(&name, "what was decided about this export is missing");
        }
        let verdicts = entries.values().filter(|e| matches!(e.event, EntryKind::Verdict { .. })).count();
        found.withheld = (verdicts - seen.len().min(verdicts)) as u64;
    }

    /// The frames give every root that was logged, nothing is shown that the verdict hides, and the sound is theirs.
    fn frames(&mut self, manifest: &Manifest, part: &Part, entries: &Entries) -> Option<Disclosed> {
        let id = part.id;
        let [header, frames, wav, said, about] =
            [HEADER, FRAMES, SOUND, TRANSCRIPT, ABOUT].map(|m| member_of(id, m));
        let roots: Vec<(u64, Digest)> = entries.values().filter_map(|e| root_in(&e.event)).collect();
        let counts: Vec<u64> = roots.iter().map(|(count, _)| *count).collect();
        let disclosure = Disclosure { header: self.member(&header)?, frames: self.member(&frames)? };
        let opened = sound::open(&manifest.client, id, &disclosure, &counts);
        let (disclosed, seconds) = opened.map_err(|e| self.bad(&frames, e.to_string())).ok()?;
        for (count, root) in &roots {
            if disclosed.roots.get(count) != Some(root) {
                self.bad(&frames, format!("the first {count} frames do not give the root that was logged"));
            }
        }
        let sealed = entries.values().find_map(|e| match &e.event {
            EntryKind::Sealed { frames, duration_ms, .. } => Some((*frames, *duration_ms)),
            _ => None,
        });
        let (sealed_count, duration_ms) = sealed?;
        if sealed_count != disclosed.count {
            let what = format!("{} frames are here, {sealed_count} were sealed", disclosed.count);
            self.bad(&frames, what);
        }
        let known = self.member(&about)?;
        let known: About =
            serde_json::from_slice(&known).map_err(|e| self.bad(&about, e.to_string())).ok()?;
        let (first, last) = (known.from_second, known.to_second);
        if known.listed.id != id || first > last || last > sound::seconds_of(None, duration_ms).1 {
            self.bad(&about, "it is about another recording");
            return Some(disclosed);
        }
        let seconds = seconds.map_err(|why| self.bad(&frames, why)).ok()?;
        let hidden = part.decided.as_ref().map_or(&[][..], |d| &d.silenced);
        if !seconds.may_be_shown(first, last, hidden) {
            self.bad(&frames, "it shows what the verdict on this export hides");
        }
        match sound::wav(&disclosed.header, &seconds, first, last) {
            Ok(sound) if self.member(&wav).is_some_and(|there| there == sound) => {}
            Ok(_) => self.bad(&wav, "it is not the sound that the frames hold"),
            Err(why) => self.bad(&wav, why),
        }
        let transcript = self.member(&said)?;
        let words: Vec<Word> =
            serde_json::from_slice(&transcript).map_err(|e| self.bad(&said, e.to_string())).ok()?;
        if words.iter().ne(seconds.words()) {
            self.bad(&said, "it is not what the frames hold");
        }
        Some(disclosed)
    }

    /// Each is looked at once.
    fn member(&mut self, name: &str) -> Option<Vec<u8>> {
        let member = self.members.remove(name);
        if member.is_none() {
            self.bad(name, "it is missing");
        }
        member
    }

    fn lines<T: DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        let Some(text) = self.member(name) else { return vec![] };
        let mut read = vec![];
        for (n, line) in text.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(value) => read.push(value),
                Err(e) => self.bad(name, format!("line {} cannot be read: {e}", n + 1)),
            }
        }
        read
    }

    fn bad(&mut self, member: &str, what: impl Into<String>) {
        self.problems.push(EvidenceProblem { member: member.to_owned(), what: what.into() });
    }
}

/// Opens a detail; the entry that names it has to follow from it.
fn open_detail(client: &ClientId, opened: &Opened, entry: &EntryKind) -> Result<Recorded, String> {
    let bytes = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| "it is not base64".to_owned());
    let (sealed, key) = (bytes(&opened.sealed)?, bytes(&opened.key)?);
    if entry.detail() != Some(digest_of(&sealed)) {
        return Err("it is not the detail that was logged".into());
    }
    let key = <[u8; 32]>::try_from(key).map_err(|_| "its key is not 32 bytes long")?;
    let plain = open_disclosed_detail(client, DETAIL, &sealed, &key).ok_or("its key does not open it")?;
    let value: serde_json::Value = serde_json::from_slice(&plain).map_err(|e| e.to_string())?;
    if value != opened.plain {
        return Err("what is written beside it is not what it says".into());
    }
    let recorded: Recorded = serde_json::from_slice(&plain).map_err(|e| e.to_string())?;
    let pseudonym = entry.recording().map(str::to_owned);
    let again = EntryKind::of_verdict(pseudonym, recorded.event.name(), &recorded.verdict, entry.detail());
    match again == *entry {
        true => Ok(recorded),
        false => Err("the entry does not follow from it".into()),
    }
}

/// A root that was logged, and how many frames it covers.
fn root_in(entry: &EntryKind) -> Option<(u64, Digest)> {
    match entry {
        EntryKind::InterimRoot { frames, root, .. } | EntryKind::Sealed { frames, root, .. } => {
            Some((*frames, *root))
        }
        _ => None,
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}
