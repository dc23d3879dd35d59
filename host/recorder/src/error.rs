//! What can go wrong on the path.

use caveat_model::{Moment, Offset, PartyId, RecordingId};

/// An error of the recorder. Only what [`RecorderError::is_the_senders`] holds for is shown to a sender.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecorderError {
    /// No such client is configured.
    #[error("client `{id}` is not configured on this host")]
    NoSuchClient {
        /// As given.
        id: String,
    },
    /// The host is about to end.
    #[error("this host is stopping: send the call to another, or again in a moment")]
    Stopping,
    /// No such running call.
    #[error("no running call has the id `{id}`")]
    NoSuchCall {
        /// As given.
        id: String,
    },
    /// The external id is in use.
    #[error("a running call has the id `{id}` already")]
    CallExists {
        /// As given.
        id: String,
    },
    /// Another host has changed the packs since this one last looked.
    #[error(
        "another host has changed the packs of client `{client}` meanwhile: look at them, then change them again"
    )]
    PacksMovedOn {
        /// Whose.
        client: String,
    },
    /// A call that is said to be over has not begun.
    #[error("the call began at {began}, which has not come yet")]
    NotYet {
        /// As given.
        began: Moment,
    },
    /// A call that was announced is over already.
    #[error("`began` is for calls that are over: an announced call begins when its audio comes")]
    NotLive,
    /// A stream of an announced call is announced already, or none is.
    #[error("an announced call needs at least one stream, and no stream may be announced twice")]
    Streams,
    /// No such recording of this client.
    #[error("this client has no recording `{id}`")]
    NoSuchRecording {
        /// As given.
        id: RecordingId,
    },
    /// The recording is not, or no longer, there to be opened.
    #[error("recording `{id}` is {state}: there is nothing to open")]
    NotKept {
        /// Which.
        id: RecordingId,
        /// Its state.
        state: String,
    },
    /// A stretch that holds nothing.
    #[error("the stretch from {start} to {end} ms holds nothing")]
    EmptySpan {
        /// As given.
        start: Offset,
        /// As given.
        end: Offset,
    },
    /// No mask of this number is in force.
    #[error("recording `{id}` has no mask {mask}; `caveat recording masks` shows those in force")]
    NoSuchMask {
        /// Which recording.
        id: RecordingId,
        /// As given.
        mask: u32,
    },
    /// Nothing of this number waits to be confirmed.
    #[error("no request {id} waits to be confirmed: it was closed, or its time has run out")]
    NoSuchRequest {
        /// As given.
        id: u64,
    },
    /// A person cannot act on this account.
    #[error(
        "nobody disposes of a recording by hand on that account: use person-asks, erasure-request or contract-end"
    )]
    NotAPersonsBasis,
    /// The table of roles says no.
    #[error(transparent)]
    Access(#[from] caveat_access::AccessError),
    /// No party of the call has this number.
    #[error("the call has no party {id}")]
    NoSuchParty {
        /// As given.
        id: PartyId,
    },
    /// A limit was reached.
    #[error("too many {what}: the limit is {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A client keeps as much as its quota allows, and no new call is taken.
    #[error("the client keeps {kept} bytes of recordings, and its quota is {limit}")]
    QuotaUsedUp {
        /// Bytes of its sealed recordings.
        kept: u64,
        /// `kept-bytes-max` of its quota.
        limit: u64,
    },
    /// A text is wanted, and there is none.
    #[error("the {what} is empty")]
    Empty {
        /// Which text.
        what: &'static str,
    },
    /// Something else is said about a breach.
    #[error("`{name}` is no fact of a breach: those that packs know begin with `breach.`")]
    NotOfBreach {
        /// As given.
        name: String,
    },
    /// A text is too long.
    #[error("a {what} of {bytes} bytes is too long: the limit is {limit}")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// What was asked for is too large to be put together.
    #[error(
        "{what} of {given} bytes is too large: the limit is {limit}; ask for a span (`from-ms`, `to-ms`), or raise `evidence_bytes_max`"
    )]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// Its size, or an estimate from what is sealed.
        given: u64,
        /// The limit.
        limit: u64,
    },
    /// Nothing is held for it.
    #[error(
        "no recording is under hold for the case `{case}`: its name is the matter that holds were set for"
    )]
    NoSuchCase {
        /// As given, shortened.
        case: String,
    },
    /// Evidence could not be written.
    #[error("evidence could not be put together: {0}")]
    Evidence(#[source] std::io::Error),
    /// A word ends before it starts, or is on a leg that cannot be.
    #[error("a word on leg {leg} from {start} to {end} ms cannot be")]
    BadWord {
        /// Its leg.
        leg: u8,
        /// Its start.
        start: Offset,
        /// Its end.
        end: Offset,
    },
    /// The call is over.
    #[error("the call is over")]
    CallOver,
    /// No packs are active for the client.
    #[error("client `{client}` has no active packs: nothing is recorded unasked")]
    NoPacks {
        /// Which client.
        client: String,
    },
    /// The client's set has no pack of this name.
    #[error("no pack `{name}` is in force; there are: {there_are}")]
    NoSuchPack {
        /// As given.
        name: String,
        /// The names in the set.
        there_are: String,
    },
    /// Two packs of one name would be obeyed, or monitored.
    #[error("a pack `{name}` is in force already: replace that one, or retire it first")]
    PackTwice {
        /// Its name.
        name: String,
    },
    /// Nothing would be obeyed.
    #[error("no active pack would be left, and nothing is recorded unasked: put another in first")]
    NoActivePackLeft,
    /// A pack does not keep to the cases it carries.
    #[error("pack `{pack}` fails {failed} of its own {of} cases: {first}")]
    PackCases {
        /// Its name.
        pack: String,
        /// How many failed.
        failed: usize,
        /// Of how many.
        of: usize,
        /// The first that failed, and how.
        first: String,
    },
    /// There is nothing to go back to.
    #[error("client `{client}` has no {} to go back to: `caveat pack list` shows its sets", to.map_or("earlier set of packs".to_owned(), |n| format!("set of packs {n}")))]
    NoEarlierPacks {
        /// Which client.
        client: String,
        /// The number asked for.
        to: Option<u64>,
    },
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] caveat_stores::StoreError),
    /// A pack, or the archive of packs, cannot be used.
    #[error(transparent)]
    Pack(#[from] caveat_packs::PackError),
    /// The history of packs cannot be read or written.
    #[error("set {number} in the history of packs of client `{client}` is damaged: {source}")]
    PackHistory {
        /// Whose.
        client: String,
        /// Which set.
        number: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A task of this host broke off.
    #[error("a task of this host broke off: {0}")]
    Task(String),
    /// Nobody asked for that on this call.
    #[error(
        "no duty `{duty}` is open on this call; open are: {open}. A notice or a tone is confirmed by `notice-played`"
    )]
    NoSuchDuty {
        /// As given.
        duty: String,
        /// Those that are open.
        open: String,
    },
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] caveat_vault::VaultError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] caveat_ledger::LedgerError),
    /// The database failed.
    #[error(transparent)]
    State(#[from] caveat_state::StateError),
    /// Retention failed.
    #[error(transparent)]
    Retention(#[from] caveat_retention::RetentionError),
    /// Audio could not be read or made.
    #[error("the audio of the recording cannot be made: {0}")]
    Audio(String),
    /// Facts kept beside a recording could not be read back.
    #[error("the facts kept with recording `{id}` cannot be read: {source}")]
    Facts {
        /// Which recording.
        id: RecordingId,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A detail is not what was put beside the ledger.
    #[error(
        "the detail of ledger entry {index} cannot be used: {why}; run `caveat replay`, which checks all of them"
    )]
    Detail {
        /// Which entry.
        index: u64,
        /// What is wrong.
        why: String,
    },
    /// A copy of the log could not be made.
    #[error("the log could not be written out: {source}; see that there is room for temporary files")]
    LogExport {
        /// What the disk said.
        #[source]
        source: std::io::Error,
    },
    /// More would have to be read than may be at once.
    #[error("there are more than {most} {what} in that time: ask for a shorter one (`since`, `until`)")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// As many are read.
        most: usize,
    },
    /// A worker ended before its work did.
    #[error("{what} broke off: the host is shutting down, or a worker failed; see the log")]
    Interrupted {
        /// What it was doing.
        what: &'static str,
    },
}

impl RecorderError {
    /// A call was not taken since the host or its client has as many, or keeps as much, as it may: another time it may be.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::TooMany { what: "running calls", .. } | Self::QuotaUsedUp { .. })
    }

    /// Whether the sender can mend it; if not, the sender sees only that the host failed.
    pub fn is_the_senders(&self) -> bool {
        use caveat_packs::PackError;
        use caveat_vault::VaultError;
        if let Self::Retention(error) = self {
            return error.is_the_senders();
        }
        let asked_wrongly = matches!(self, Self::Vault(VaultError::KeyInUse { .. }));
        asked_wrongly
            || !matches!(
                self,
                Self::Pack(
                    PackError::Archive { .. }
                        | PackError::NotArchived { .. }
                        | PackError::ArchiveDamaged { .. }
                        | PackError::Lock { .. }
                ) | Self::PackHistory { .. }
                    | Self::Task(_)
                    | Self::Vault(_)
                    | Self::Store(_)
                    | Self::Ledger(_)
                    | Self::State(_)
                    | Self::Facts { .. }
                    | Self::Evidence(_)
                    | Self::Detail { .. }
                    | Self::Interrupted { .. }
                    | Self::LogExport { .. }
                    | Self::Audio(_)
            )
    }
}
