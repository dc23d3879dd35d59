//! Where a running call is kept: the place asked for, the recording opened, discarded, sealed.

use caveat_audio::SAMPLE_RATE_HZ;
use caveat_ledger::{EntryKind, LedgerError};
use caveat_model::{Event, Offset, RecordingId, Verdict};
use caveat_retention::Retention;
use caveat_state::Statement;
use caveat_vault::{Header, Kind, SealReason, Suite, VaultError, Writer};
use futures::{StreamExt, stream};
use tracing::Instrument;

use super::Session;
use crate::{
    Answer, RecorderError, RecordingState,
    assurance::{Captured, CapturedState, OfCall},
    bounds::{self, Bound},
    house::{Logged, Place, Ruled},
    recovery::state_of as state_of_seal,
    tape::Part,
    why::{first_rule, reasons},
};

/// So many parts of a call wait for the disk together.
const PARTS_AT_ONCE: usize = 64;

/// What is written when a recording begins.
#[derive(Default)]
struct Opening {
    bounds: Vec<Bound>,
    entries: Vec<EntryKind>,
    beside: Vec<Statement>,
}

/// The ruling on where a recording would be kept, in the ledger.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    event: Event,
    logged: Logged,
    suite: Suite,
    /// Whether it may be kept there.
    fits: bool,
    /// Whether there was room for it.
    has_room: bool,
}

impl Placed {
    /// Whether the recording is listed and opened, and the dates and bounds of its verdicts written.
    pub(super) fn is_opened(&self) -> bool {
        self.fits && self.has_room
    }
}

impl Session {
    /// Goes on recording, after asking whether there is a place where it may be kept: once a call, and again only where
    /// the answer was no and the call begins anew. Gives back the ruling on the place if it was asked for, or stands
    /// against it. `placed`: it was asked for just now.
    pub(super) async fn keep(
        &mut self,
        from: Offset,
        placed: Option<Placed>,
    ) -> Result<Option<Placed>, RecorderError> {
        if self.writer.is_none() {
            let placed = match placed.or_else(|| self.no_place.clone()) {
                Some(placed) => placed,
                None => self.place(None).await?.1,
            };
            if !placed.fits {
                self.state = RecordingState::NotRecorded;
                self.not_recording = reasons(&placed.logged.verdict);
                self.tape.stop(from, &first_rule(&placed.logged.verdict), self.state);
                return Ok(Some(placed));
            }
            if !placed.has_room {
                let reason = self.house.refuse_for_room(&self.client.id).await?;
                self.state = RecordingState::NotRecorded;
                self.tape.stop(from, &reason.rule, self.state);
                self.not_recording = vec![reason];
                return Ok(None);
            }
            self.begin_writing(placed.suite).await?;
            self.begin_keeping(from);
            return Ok(Some(placed));
        }
        self.begin_keeping(from);
        Ok(None)
    }

    /// Logs the verdict that allows a recording together with the ruling on its place.
    pub(super) async fn place_at_once(
        &mut self,
        allowed: Ruled<'_>,
    ) -> Result<(Logged, Placed), RecorderError> {
        match self.place(Some(allowed)).await? {
            (Some(logged), placed) => Ok((logged, placed)),
            (None, _) => Err(LedgerError::Stopped { client: self.client.id.clone() }.into()),
        }
    }

    /// Has the place ruled on and logs what was ruled, behind the verdict that allows the recording where that is not logged
    /// yet; a recording that may be kept there is listed and opened in the same commit. Gives back that verdict, logged.
    async fn place(&mut self, allowed: Option<Ruled<'_>>) -> Result<(Option<Logged>, Placed), RecorderError> {
        let (house, client, facts) = (self.house.clone(), self.client.clone(), self.known.facts().clone());
        let places = house.rule_on_place(&client, &facts).await?;
        let has_room = house.has_room();
        let opens = has_room && places.last().is_some_and(|place| place.fits);
        let is_first = allowed.is_some();
        let placed = places.iter().map(|p| Ruled { event: &p.event, verdict: p.verdict.clone(), who: None });
        let ruled: Vec<Ruled<'_>> = allowed.into_iter().chain(placed).collect();
        self.known.captured(opens || facts.traits.captured);
        let logged = async {
            let Opening { bounds, entries, beside } = match opens {
                true => self.opening(ruled.iter().map(|one| &one.verdict)).await?,
                false => Opening::default(),
            };
            let (id, with) = (Some(self.recording), (entries, beside));
            Ok::<_, RecorderError>((house.log_all(&client.id, id, &facts, ruled, with).await?, bounds))
        };
        let logged = logged.await;
        let (logged, bounds) = logged.inspect_err(|_| self.known.captured(facts.traits.captured))?;
        if opens {
            self.bounds.extend(bounds);
            self.listed = Some(self.known.facts().clone());
        }
        let (mut logged, mut places) = (logged.into_iter(), places.into_iter());
        let first = if is_first { logged.next() } else { None };
        let stopped = || LedgerError::Stopped { client: client.id.clone() };
        let (last, place) = logged.next_back().zip(places.next_back()).ok_or_else(stopped)?;
        let Place { event, suite, fits, .. } = place;
        Ok((first, Placed { event, logged: last, suite, fits, has_room }))
    }

    /// What is written when a recording begins: whatever the vault holds after a crash is then found in the list and in
    /// the ledger.
    async fn opening<'v>(
        &self,
        verdicts: impl Iterator<Item = &'v Verdict>,
    ) -> Result<Opening, RecorderError> {
        let (client, id, facts) = (&self.client.id, self.recording, self.known.facts());
        let house = &self.house;
        let mut beside = vec![house.catalog.entry(client, id, "recording", 0, facts).await?];
        beside
            .extend(house.retention.beginning(client, id, facts.began, &self.known.marks(&self.call)).await?);
        let captured = self.captured(CapturedState::Running, 0);
        beside.push(house.assurance.noted(self.of_call(), house.vault.log(), &captured).await?);
        let mut bounds: Vec<Bound> = vec![];
        for verdict in verdicts {
            beside.extend(Retention::dates_of(client, id, verdict));
            bounds.extend(self.new_bounds(verdict));
        }
        beside.extend(bounds::statements(client, id, &bounds));
        let recording = house.pseudonym(client, id).await?;
        Ok(Opening { bounds, entries: vec![EntryKind::RecordingOpened { recording }], beside })
    }

    /// Begun last, when it is listed and opened.
    async fn begin_writing(&mut self, suite: Suite) -> Result<(), RecorderError> {
        let (client, id) = (&self.client.id, self.recording);
        let header = Header { began: self.known.facts().began, legs: self.tape.leg_infos(), suite };
        let begun = async { Ok::<_, RecorderError>(self.house.vault.begin(client, id, header).await?) };
        let held = async { Ok::<_, RecorderError>(self.house.retention.apply_holds(client, id).await?) };
        match tokio::try_join!(begun, held) {
            Ok((writer, ())) => {
                self.writer = Some(writer);
                Ok(())
            }
            Err(error) => {
                self.known.captured(false);
                Err(error)
            }
        }
    }

    fn begin_keeping(&mut self, from: Offset) {
        self.state = RecordingState::Recording;
        self.not_recording.clear();
        self.tape.go(from);
        self.known.captured(true);
    }

    /// Tells of a ruling on the place where it is new, and answers with it where it stands against recording.
    pub(super) async fn tell_of_place(&mut self, placed: &Placed) -> Result<Answer, RecorderError> {
        let verdict = &placed.logged.verdict;
        if self.no_place.is_none() {
            self.tell(&placed.event, &placed.logged, Some(self.recording), None).await?;
            if !placed.fits {
                self.house.tell_not_recorded(&self.client.id, self.recording, verdict).await?;
                self.no_place = Some(placed.clone());
            }
        }
        Ok(self.answer(verdict))
    }

    /// Writes down what a verdict says of keeping a recording, and of its use.
    pub(super) async fn note(&mut self, id: RecordingId, verdict: &Verdict) -> Result<(), RecorderError> {
        let bounds = self.new_bounds(verdict);
        let (house, client) = (&self.house, &self.client.id);
        let kept = async { Ok::<_, RecorderError>(house.retention.note(client, id, verdict).await?) };
        tokio::try_join!(kept, async {
            Ok::<_, RecorderError>(house.bounds.set(client, id, &bounds).await?)
        })?;
        self.bounds.extend(bounds);
        Ok(())
    }

    /// Destroys what was kept so far. Whatever is kept later is another recording.
    pub(super) async fn discard(&mut self, why: &str) -> Result<(), RecorderError> {
        self.tape.forget();
        self.interim = None;
        self.bounds.clear();
        self.listed = None;
        let writer = self.writer.take();
        let was_kept = writer.is_some();
        // First: what is struck off belongs to whoever seals it, should this host end here or have been taken over from.
        if let Some(writer) = writer {
            writer.discard().await?;
        }
        self.house.late.strike(&self.client.id, self.recording, None).await?;
        self.house.retention.forget(&self.client.id, self.recording).await?;
        self.known.captured(false);
        if !was_kept {
            return Ok(());
        }
        let recording = self.house.pseudonym(&self.client.id, self.recording).await?;
        let entry = EntryKind::Discarded { recording: recording.clone(), why: why.to_owned() };
        self.house.enter(&self.client.id, entry).await?;
        self.house.catalog.gone(&self.client.id, self.recording, "discarded").await?;
        // Nothing is known of it any more either.
        self.house.ledger.erase_details_of(&self.client.id, &recording).await?;
        self.note_capture(CapturedState::NotRecorded, 0).await;
        self.recording = RecordingId::new(self.house.clock.now());
        Ok(())
    }

    pub(super) async fn close(&mut self) -> Result<(), RecorderError> {
        let Some(writer) = self.writer.take() else {
            self.note_capture(CapturedState::NotRecorded, 0).await;
            return Ok(());
        };
        let parts = self.tape.take_all()?;
        let kept = self.write(&writer, parts).await;
        let peaks = self.tape.take_peaks();
        self.write_peaks(&writer, peaks).await;
        let span = traced!("seal", client = self.client.id.as_str(), recording = %self.recording);
        let reason = self.ending.unwrap_or(SealReason::Interrupted);
        let sealing = writer.seal(reason).instrument(traced!(parent: &span, "vault"));
        let seal = sealing.await?;
        let entering = self.house.enter_seal(&self.client.id, self.recording, &seal);
        entering.instrument(traced!(parent: &span, "ledger")).await?;
        self.house.lock_object(&self.client.id, self.recording, &seal.object).await?;
        let (client, id, facts) = (&self.client.id, self.recording, self.known.facts());
        self.house.retention.begin(client, id, facts.began, &self.known.marks(&self.call)).await?;
        self.house.after_call(client, id, facts).await?;
        self.house.catalog.put(client, id, state_of_seal(seal.end), seal.duration_ms, facts).await?;
        let broke_off = seal.end == SealReason::Interrupted;
        let state = if broke_off { CapturedState::Interrupted } else { CapturedState::Sealed };
        self.note_capture(state, self.tape.ended().map_or(seal.duration_ms, u64::from)).await;
        tracing::info!(%client, recording = %id, frames = seal.frames, "sealed");
        kept
    }

    /// Makes parts durable. One that fails takes none of the others with it.
    pub(super) async fn write(&self, writer: &Writer, parts: Vec<Part>) -> Result<(), RecorderError> {
        let append = async |Part { leg, second, kind, plain }: Part| {
            writer.append(leg, second, kind, &plain).instrument(traced!("vault")).await?;
            if kind == Kind::Audio {
                // For tests that kill hosts: what is said here has to be there after any crash.
                let (id, call, sounding) = (self.recording, &self.call, sounding_samples(&plain));
                tracing::trace!(target: "caveat::durable", recording = %id, call, leg, second, sounding, "durable");
                self.tell_when_shared(leg, second, sounding);
            }
            Ok(())
        };
        let mut written = stream::iter(parts).map(append).buffered(PARTS_AT_ONCE);
        let mut kept = Ok(());
        while let Some(done) = written.next().await {
            kept = kept.and(done);
        }
        kept
    }

    /// The log tells of no frame that only this host has: whoever takes over would seal less than it tells of.
    pub(super) async fn enter_interim(&mut self) -> Result<(), RecorderError> {
        let (Some(writer), Some(interim)) = (&self.writer, &self.interim) else { return Ok(()) };
        match writer.is_shared(interim) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let (frames, root) = (interim.frames, interim.root);
                let recording = self.house.pseudonym(&self.client.id, self.recording).await?;
                self.house.enter(&self.client.id, EntryKind::InterimRoot { recording, frames, root }).await?;
            }
            // The next one may be.
            Err(VaultError::NotInStore) => {}
            Err(error) => return Err(error.into()),
        }
        self.interim = None;
        Ok(())
    }

    /// Likewise, of what another host can seal.
    fn tell_when_shared(&self, leg: u8, second: u32, sounding: usize) {
        if self.house.among.is_none() || !tracing::enabled!(target: "caveat::shared", tracing::Level::TRACE) {
            return;
        }
        let (vault, id, call) = (self.house.vault.clone(), self.recording, self.call.clone());
        tokio::spawn(async move {
            if vault.in_store().await.is_ok() {
                tracing::trace!(target: "caveat::shared", recording = %id, call, leg, second, sounding, "shared");
            }
        });
    }

    /// What fails is drawn from the sound.
    async fn write_peaks(&self, writer: &Writer, peaks: Vec<Part>) {
        let append =
            async |Part { leg, second, kind, plain }: Part| writer.append(leg, second, kind, &plain).await;
        let mut written = stream::iter(peaks).map(append).buffered(PARTS_AT_ONCE);
        while let Some(done) = written.next().await {
            if let Err(error) = done {
                tracing::warn!(client = %self.client.id, recording = %self.recording, %error, "peaks were not kept");
                return;
            }
        }
    }

    /// Notes that the call was captured, and how. It is not recorded any less for a note that fails.
    pub(super) async fn note_capture(&self, state: CapturedState, duration_ms: u64) {
        let (log, captured) = (self.house.vault.log(), self.captured(state, duration_ms));
        if let Err(error) = self.house.assurance.note(self.of_call(), log, &captured).await {
            tracing::error!(client = %self.client.id, recording = %self.recording, %error, "not noted as captured");
        }
    }

    fn of_call(&self) -> OfCall<'_> {
        OfCall { client: &self.client.id, call: &self.call }
    }

    fn captured(&self, state: CapturedState, duration_ms: u64) -> Captured {
        let facts = self.known.facts();
        let mut legs: Vec<u8> = facts.parties.iter().filter_map(|p| p.leg).collect();
        legs.sort_unstable();
        legs.dedup();
        Captured {
            recording: self.recording,
            began: facts.began,
            duration_ms,
            state,
            legs: u8::try_from(legs.len()).unwrap_or(u8::MAX),
            levels: self.tape.levels().clone(),
        }
    }
}

/// How many samples of a sealed second are not silent.
fn sounding_samples(plain: &[u8]) -> usize {
    const SECOND: usize = SAMPLE_RATE_HZ as usize;
    const SILENCE: u8 = 0xff;
    let samples = plain.len().checked_sub(SECOND).and_then(|at| plain.get(at..)).unwrap_or_default();
    samples.iter().filter(|byte| **byte != SILENCE).count()
}
