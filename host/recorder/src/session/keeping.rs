//! Where a running call is kept: the place asked for, the recording opened, discarded, sealed.

use caveat_audio::SAMPLE_RATE_HZ;
use caveat_ledger::EntryKind;
use caveat_model::{Offset, RecordingId, Verdict};
use caveat_vault::{Header, Kind, SealReason, Suite, Writer};
use futures::{StreamExt, stream};

use super::Session;
use crate::{
    Answer, RecorderError, RecordingState,
    assurance::{Captured, CapturedState, OfCall},
    house::Placed,
    recovery::state_of as state_of_seal,
    tape::Part,
    why::{first_rule, reasons},
};

/// Peaks of so many seconds wait for the disk together.
const PEAKS_AT_ONCE: usize = 64;

impl Session {
    /// Goes on recording, after asking whether there is a place where it may be kept: once a call, and again only where
    /// the answer was no and the call begins anew. Gives back the ruling on the place if it was asked for, or stands
    /// against it.
    pub(super) async fn keep(&mut self, from: Offset) -> Result<Option<Placed>, RecorderError> {
        if self.writer.is_none() {
            let placed = match self.no_place.clone() {
                Some(placed) => placed,
                None => self.house.rule_on_place(&self.client, self.recording, self.known.facts()).await?,
            };
            if !placed.fits {
                self.state = RecordingState::NotRecorded;
                self.not_recording = reasons(&placed.logged.verdict);
                self.tape.stop(from, &first_rule(&placed.logged.verdict), self.state);
                return Ok(Some(placed));
            }
            if let Some(reason) = self.house.no_room(&self.client.id).await? {
                self.state = RecordingState::NotRecorded;
                self.tape.stop(from, &reason.rule, self.state);
                self.not_recording = vec![reason];
                return Ok(None);
            }
            self.known.captured(true);
            if let Err(error) = self.open(&placed.logged.verdict, placed.suite).await {
                self.known.captured(false);
                return Err(error);
            }
            self.begin_keeping(from);
            return Ok(Some(placed));
        }
        self.begin_keeping(from);
        Ok(None)
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

    /// Listed first, begun last: whatever the vault holds after a crash is then found in the list and in the ledger.
    async fn open(&mut self, verdict: &Verdict, suite: Suite) -> Result<(), RecorderError> {
        let bounds = self.new_bounds(verdict);
        let (client, id, facts) = (&self.client.id, self.recording, self.known.facts());
        let (house, marks) = (&self.house, self.known.marks(&self.call));
        let listed = house.catalog.put(client, id, "recording", 0, facts);
        let bound = async { Ok::<_, RecorderError>(house.bounds.set(client, id, &bounds).await?) };
        let kept = async {
            house.retention.note(client, id, verdict).await?;
            Ok::<_, RecorderError>(house.retention.begin(client, id, facts.began, &marks).await?)
        };
        tokio::try_join!(kept, bound, listed)?;
        self.bounds.extend(bounds);
        self.listed = Some(facts.clone());
        let recording = house.pseudonym(client, id).await?;
        house.enter(client, EntryKind::RecordingOpened { recording }).await?;
        let header = Header { began: facts.began, legs: self.tape.leg_infos(), suite };
        self.writer = Some(house.vault.begin(client, id, header).await?);
        Ok(())
    }

    /// Destroys what was kept so far. Whatever is kept later is another recording.
    pub(super) async fn discard(&mut self, why: &str) -> Result<(), RecorderError> {
        self.tape.forget();
        self.bounds.clear();
        self.listed = None;
        self.house.late.strike(&self.client.id, self.recording, None).await?;
        self.house.retention.forget(&self.client.id, self.recording).await?;
        self.known.captured(false);
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let recording = self.house.pseudonym(&self.client.id, self.recording).await?;
        writer.discard().await?;
        let entry = EntryKind::Discarded { recording, why: why.to_owned() };
        self.house.enter(&self.client.id, entry).await?;
        self.house.catalog.gone(&self.client.id, self.recording, "discarded").await?;
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
        let seal = writer.seal(self.ending.unwrap_or(SealReason::Interrupted)).await?;
        self.house.enter_seal(&self.client.id, self.recording, &seal).await?;
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
        let mut kept = Ok(());
        for Part { leg, second, kind, plain } in parts {
            match writer.append(leg, second, kind, &plain).await {
                Ok(()) if kind == Kind::Audio => {
                    // For tests that kill hosts: what is said here has to be there after any crash.
                    let (id, call, sounding) = (self.recording, &self.call, sounding_samples(&plain));
                    tracing::trace!(target: "caveat::durable", recording = %id, call, leg, second, sounding, "durable");
                }
                Ok(()) => {}
                Err(error) => kept = kept.and(Err(error.into())),
            }
        }
        kept
    }

    /// What fails is drawn from the sound.
    async fn write_peaks(&self, writer: &Writer, peaks: Vec<Part>) {
        let append =
            async |Part { leg, second, kind, plain }: Part| writer.append(leg, second, kind, &plain).await;
        let mut written = stream::iter(peaks).map(append).buffered(PEAKS_AT_ONCE);
        while let Some(done) = written.next().await {
            if let Err(error) = done {
                tracing::warn!(client = %self.client.id, recording = %self.recording, %error, "peaks were not kept");
                return;
            }
        }
    }

    /// Notes that the call was captured, and how. It is not recorded any less for a note that fails.
    pub(super) async fn note_capture(&self, state: CapturedState, duration_ms: u64) {
        let facts = self.known.facts();
        let mut legs: Vec<u8> = facts.parties.iter().filter_map(|p| p.leg).collect();
        legs.sort_unstable();
        legs.dedup();
        let captured = Captured {
            recording: self.recording,
            began: facts.began,
            duration_ms,
            state,
            legs: u8::try_from(legs.len()).unwrap_or(u8::MAX),
            levels: self.tape.levels().clone(),
        };
        let of = OfCall { client: &self.client.id, call: &self.call };
        if let Err(error) = self.house.assurance.note(of, &captured).await {
            tracing::error!(client = %self.client.id, recording = %self.recording, %error, "not noted as captured");
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
