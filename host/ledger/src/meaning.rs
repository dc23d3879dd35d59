//! Checks what entries mean: whether the log, though whole, tells of something that must not happen.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use caveat_model::{Act, Basis, Element, Moment, Outcome, Stage};

use crate::{
    Entry, EntryKind, KeyAct, Problem,
    ProblemKind::{
        self, AccessWithoutGrant, Clock, DisposalUnderHold, DisposalWithoutVerdict, Hold, MaskWithoutIntent,
        Recording, Sequence, TwoPeople,
    },
    keys_before,
};

/// What was read so far, as far as later entries depend on it.
pub(crate) struct Meaning {
    clock_skew_ms: u64,
    hosts: HashMap<String, HostState>,
    verdicts: HashMap<u64, VerdictState>,
    accesses: HashMap<u64, AccessState>,
    disposals: HashMap<u64, DisposalState>,
    /// Indices of intents to mask or to lift a mask, without a result so far.
    masks: HashSet<u64>,
    agreements: HashMap<u64, Agreement>,
    /// Recordings that a person decided may be destroyed.
    decided: HashSet<String>,
    holds: BTreeMap<String, BTreeSet<String>>,
    recordings: HashMap<String, RecordingState>,
}

struct HostState {
    seq: u64,
    latest: Moment,
}

struct VerdictState {
    recording: Option<String>,
    stage: Stage,
    outcome: Outcome,
}

/// An intent to give access.
enum AccessState {
    Refused,
    /// Granted, and the verdict does not carry it: told where it was granted.
    Unfounded,
    Granted,
}

struct DisposalState {
    recording: String,
    /// Only what the rules themselves remove from a recording may go under a hold: sensitive authentication data.
    under_hold: bool,
}

/// What two people agreed on. One agreement serves one act; a hold may be lifted from many recordings by one.
struct Agreement {
    act: String,
    subject: Option<String>,
    used: bool,
}

/// What takes two people, as the table of roles calls it.
const SHRED: &str = "shred-recording";
const DISPOSE: &str = "dispose-recording";
const UNMASK: &str = "unmask-recording";
const LIFT_HOLD: &str = "lift-hold";
const DESTROY_KEYS: &str = "destroy-keys";

#[derive(Default)]
struct RecordingState {
    closed: Option<u64>,
    frames: u64,
    /// Its root is in the log.
    sealed: bool,
}

impl Meaning {
    pub(crate) fn new(clock_skew_ms: u64) -> Self {
        Self {
            clock_skew_ms,
            hosts: HashMap::new(),
            verdicts: HashMap::new(),
            accesses: HashMap::new(),
            disposals: HashMap::new(),
            masks: HashSet::new(),
            agreements: HashMap::new(),
            decided: HashSet::new(),
            holds: BTreeMap::new(),
            recordings: HashMap::new(),
        }
    }

    /// Recordings opened and not closed.
    pub(crate) fn open_recordings(&self) -> u64 {
        self.recordings.values().filter(|r| r.closed.is_none()).count() as u64
    }

    /// Reads the next entry; entries come in order.
    pub(crate) fn read(&mut self, index: u64, entry: &Entry, problems: &mut Vec<Problem>) {
        let mut tell = |kind: ProblemKind, what: String| problems.push(Problem::at_entry(kind, index, what));
        self.host(entry, &mut tell);
        match &entry.event {
            EntryKind::Verdict { recording, stage, outcome, .. } => {
                let verdict = VerdictState { recording: recording.clone(), stage: *stage, outcome: *outcome };
                self.verdicts.insert(index, verdict);
            }
            EntryKind::AccessIntent { recording, act, verdict, grant, .. } => {
                if *grant && hands_over(*act) {
                    self.is_sealed(recording.as_deref(), &mut tell);
                }
                let state = self.access_intent(recording.as_deref(), *verdict, *grant, &mut tell);
                self.accesses.insert(index, state);
            }
            EntryKind::AccessResult { intent, ok: true, .. } => self.access_result(*intent, &mut tell),
            EntryKind::DisposalIntent { recording, what, basis, verdict, agreed } => {
                self.disposal_intent(recording, *basis, *verdict, &mut tell);
                if !matches!(basis, Basis::Schedule | Basis::Rules) {
                    let act = if *what == Element::Segment { SHRED } else { DISPOSE };
                    self.agreed(*agreed, act, recording, &mut tell);
                }
                let under_hold = (*what, *basis) == (Element::Segment, Basis::Rules);
                self.disposals.insert(index, DisposalState { recording: recording.clone(), under_hold });
            }
            EntryKind::DisposalResult { intent, ok: true } => self.disposal_result(*intent, &mut tell),
            EntryKind::HoldSet { recording, hold } => {
                self.holds.entry(recording.clone()).or_default().insert(hold.clone());
            }
            EntryKind::MaskIntent { recording, lift, basis, verdict, agreed, .. } => {
                self.mask_intent(recording, *basis, *verdict, &mut tell);
                if *lift {
                    self.agreed(*agreed, UNMASK, recording, &mut tell);
                }
                self.masks.insert(index);
            }
            EntryKind::MaskResult { intent, ok, .. } => {
                if !self.masks.remove(intent) && *ok {
                    let what = format!(
                        "a mask was made or lifted, and entry {intent} is no intent to do so before this"
                    );
                    tell(MaskWithoutIntent, what);
                }
            }
            EntryKind::Agreed { act, subject, asked, confirmed } => {
                if asked == confirmed {
                    tell(TwoPeople, format!("`{act}` was asked for and confirmed by one person"));
                } else {
                    let agreement = Agreement { act: act.clone(), subject: subject.clone(), used: false };
                    self.agreements.insert(index, agreement);
                }
            }
            EntryKind::Decided { recording, destroy, .. } => {
                if *destroy {
                    self.decided.insert(recording.clone());
                } else {
                    self.decided.remove(recording);
                }
            }
            EntryKind::HoldLifted { recording, hold, agreed } => {
                self.agreed(*agreed, LIFT_HOLD, hold, &mut tell);
                let holds = self.holds.get_mut(recording);
                if !holds.is_some_and(|holds| holds.remove(hold)) {
                    tell(Hold, format!("the hold `{hold}` on `{recording}` is lifted and was not in force"));
                }
            }
            EntryKind::RecordingOpened { recording } => {
                if self.recordings.insert(recording.clone(), RecordingState::default()).is_some() {
                    tell(Recording, format!("`{recording}` is opened a second time"));
                }
            }
            EntryKind::InterimRoot { recording, frames, .. } => {
                self.fixed(recording, *frames, &mut tell);
            }
            EntryKind::Sealed { recording, frames, root, .. } => {
                if root.0 == [0; 32] {
                    tell(Recording, format!("`{recording}` is sealed without a root"));
                }
                self.fixed(recording, *frames, &mut tell);
                self.closed(index, recording);
                if let Some(state) = self.recordings.get_mut(recording) {
                    state.sealed = true;
                }
            }
            EntryKind::Discarded { recording, .. } => {
                self.still_open(recording, &mut tell);
                self.closed(index, recording);
            }
            EntryKind::Keys { act: KeyAct::Destroy, version, agreed, .. } => {
                self.agreed(*agreed, DESTROY_KEYS, &keys_before(*version), &mut tell);
            }
            EntryKind::AccessResult { ok: false, .. }
            | EntryKind::DisposalResult { ok: false, .. }
            | EntryKind::Duty { .. }
            | EntryKind::Keys { .. }
            | EntryKind::Timestamped { .. }
            | EntryKind::PacksChanged { .. }
            | EntryKind::HostStarted { .. }
            | EntryKind::AccountChanged { .. }
            | EntryKind::Note { .. } => {}
        }
    }

    fn host(&mut self, entry: &Entry, tell: &mut impl FnMut(ProblemKind, String)) {
        let name = &entry.host;
        let fresh = HostState { seq: 0, latest: entry.at };
        let host = self.hosts.entry(name.clone()).or_insert(fresh);
        let expected = host.seq.saturating_add(1);
        if entry.seq > expected {
            let what = format!("host `{name}` goes from {} to {}: entries are missing", host.seq, entry.seq);
            tell(Sequence, what);
        } else if entry.seq < expected {
            tell(Sequence, format!("host `{name}` repeats {} after {}", entry.seq, host.seq));
        }
        let back_ms = host.latest.since(entry.at);
        if back_ms > self.clock_skew_ms {
            tell(Clock, format!("the time of host `{name}` went back by {back_ms} ms"));
        }
        host.seq = host.seq.max(entry.seq);
        host.latest = host.latest.max(entry.at);
    }

    fn access_intent(
        &self,
        recording: Option<&str>,
        verdict: u64,
        grant: bool,
        tell: &mut impl FnMut(ProblemKind, String),
    ) -> AccessState {
        if !grant {
            return AccessState::Refused;
        }
        match self.carries(verdict, recording, Stage::Access) {
            Ok(()) => AccessState::Granted,
            Err(why) => {
                tell(AccessWithoutGrant, format!("access is granted, and {why}"));
                AccessState::Unfounded
            }
        }
    }

    /// Nobody can tell whether what is handed over is what was sealed, unless the log has its root.
    fn is_sealed(&self, recording: Option<&str>, tell: &mut impl FnMut(ProblemKind, String)) {
        let Some(recording) = recording else { return };
        if !self.recordings.get(recording).is_some_and(|state| state.sealed) {
            tell(Recording, format!("`{recording}` is handed over, and its sealed root is not in the log"));
        }
    }

    fn access_result(&self, intent: u64, tell: &mut impl FnMut(ProblemKind, String)) {
        let why = match self.accesses.get(&intent) {
            Some(AccessState::Granted) => return,
            Some(AccessState::Unfounded) => "was granted without a verdict that allows it",
            Some(AccessState::Refused) => "was not granted",
            None => "is no intent to give access before this",
        };
        tell(AccessWithoutGrant, format!("access was given, and entry {intent} {why}"));
    }

    fn disposal_intent(
        &self,
        recording: &str,
        basis: Basis,
        verdict: u64,
        tell: &mut impl FnMut(ProblemKind, String),
    ) {
        // What the rules themselves remove is asked for by a verdict on any event, strict or not.
        let by_rules = || match self.verdicts.get(&verdict) {
            Some(v) if v.recording.as_deref() == Some(recording) => Ok(()),
            _ => Err(format!("entry {verdict} is no verdict on this recording")),
        };
        // Where the rules leave it to a person, and one decided, that carries it too.
        let decided = || {
            let state = self.verdicts.get(&verdict);
            let asks = state.is_some_and(|v| {
                (v.stage, v.outcome) == (Stage::Storage, Outcome::Restrain)
                    && v.recording.as_deref() == Some(recording)
            });
            asks && self.decided.contains(recording)
        };
        let carried = match basis {
            Basis::Rules => by_rules(),
            _ if decided() => Ok(()),
            _ => self.carries(verdict, Some(recording), Stage::Storage),
        };
        if let Err(why) = carried {
            tell(DisposalWithoutVerdict, format!("`{recording}` is to be destroyed, and {why}"));
        }
    }

    fn mask_intent(
        &self,
        recording: &str,
        basis: Basis,
        verdict: u64,
        tell: &mut impl FnMut(ProblemKind, String),
    ) {
        let by_rules =
            || self.verdicts.get(&verdict).is_some_and(|v| v.recording.as_deref() == Some(recording));
        let carried = match basis {
            Basis::Rules if by_rules() => Ok(()),
            Basis::Rules => Err(format!("entry {verdict} is no verdict on this recording")),
            _ => self.carries(verdict, Some(recording), Stage::Access),
        };
        if let Err(why) = carried {
            tell(MaskWithoutIntent, format!("`{recording}` is to be masked or unmasked, and {why}"));
        }
    }

    /// Whether two people agreed on this act, and it was not done on the same agreement before.
    fn agreed(
        &mut self,
        index: Option<u64>,
        act: &str,
        subject: &str,
        tell: &mut impl FnMut(ProblemKind, String),
    ) {
        let Some(index) = index else {
            return tell(TwoPeople, format!("`{act}` names no agreement of two people"));
        };
        match self.agreements.get_mut(&index) {
            Some(a)
                if a.act == act && a.subject.as_deref() == Some(subject) && (!a.used || act == LIFT_HOLD) =>
            {
                a.used = true;
            }
            Some(a) if a.act == act && a.subject.as_deref() == Some(subject) => {
                tell(TwoPeople, format!("`{act}` rests on entry {index}, which was used before"));
            }
            _ => tell(
                TwoPeople,
                format!("`{act}` rests on entry {index}, which is no agreement of two people on it"),
            ),
        }
    }

    fn disposal_result(&self, intent: u64, tell: &mut impl FnMut(ProblemKind, String)) {
        let Some(disposal) = self.disposals.get(&intent) else {
            let what =
                format!("something was destroyed, and entry {intent} is no intent to do so before this");
            return tell(DisposalWithoutVerdict, what);
        };
        let holds = self.holds.get(&disposal.recording).filter(|_| !disposal.under_hold);
        if let Some(hold) = holds.and_then(BTreeSet::first) {
            let what = format!("`{}` was destroyed while the hold `{hold}` was in force", disposal.recording);
            tell(DisposalUnderHold, what);
        }
    }

    /// Whether the entry `verdict` is an earlier verdict on this recording, at this stage, that allows.
    fn carries(&self, verdict: u64, recording: Option<&str>, stage: Stage) -> Result<(), String> {
        let Some(state) = self.verdicts.get(&verdict) else {
            return Err(format!("entry {verdict} is no verdict before this"));
        };
        if state.stage != stage {
            return Err(format!("the verdict {verdict} is on {}, not on {stage}", state.stage));
        }
        if state.recording.as_deref() != recording {
            return Err(format!("the verdict {verdict} is on another recording"));
        }
        match state.outcome {
            Outcome::Allow => Ok(()),
            other => Err(format!("the verdict {verdict} says `{}`", other.word(stage))),
        }
    }

    /// A recording is fixed up to so many frames, and cannot have had more before.
    fn fixed(&mut self, recording: &str, frames: u64, tell: &mut impl FnMut(ProblemKind, String)) {
        if let Some(state) = self.still_open(recording, tell) {
            if frames < state.frames {
                tell(Recording, format!("`{recording}` shrinks from {} to {frames} frames", state.frames));
            }
            state.frames = frames;
        }
    }

    /// The state of a recording that was opened; says so when it was not, or is closed.
    fn still_open(
        &mut self,
        recording: &str,
        tell: &mut impl FnMut(ProblemKind, String),
    ) -> Option<&mut RecordingState> {
        let state = self.recordings.get_mut(recording);
        match &state {
            None => tell(Recording, format!("`{recording}` was never opened")),
            Some(RecordingState { closed: Some(closed), .. }) => {
                tell(Recording, format!("`{recording}` was closed before, by entry {closed}"))
            }
            Some(_) => {}
        }
        state
    }

    fn closed(&mut self, index: u64, recording: &str) {
        if let Some(state) = self.recordings.get_mut(recording) {
            state.closed.get_or_insert(index);
        }
    }
}

/// Whether somebody gets the content of a recording.
fn hands_over(act: Act) -> bool {
    matches!(act, Act::Play | Act::Export | Act::Share | Act::Disclose)
}
