//! An uploaded call on its way to the recorder, at the pace of a live one.

use std::time::Duration;

use caveat_model::Offset;
use caveat_recorder::{Call, Frame, RecorderError};
use caveat_vault::SealReason;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Event, wav::Wav};

/// The length of a frame, as on the wire.
const FRAME_MS: Offset = 20;
/// How often whatever is due is handed over.
const PACE: Duration = Duration::from_millis(100);

/// Feeds all of it and ends the call. What happens is told before the audio of its time, as on a live call.
pub(super) async fn feed(call: Call, audio: Wav, events: Vec<Event>, began: Instant) {
    let over = call.clone();
    let fed = tokio::select! {
        fed = hand_over(&call, &audio, events, began) => fed,
        () = over.sealed() => Err(RecorderError::CallOver),
    };
    let reason = if fed.is_ok() { SealReason::Ended } else { SealReason::Interrupted };
    let ended = call.end(reason).await;
    let (client, id) = (call.client(), call.id());
    match fed.and(ended) {
        Ok(()) => tracing::info!(%client, call = id, "an upload was taken in"),
        Err(error) => tracing::error!(%client, call = id, %error, "an upload was not taken in whole"),
    }
}

async fn hand_over(
    call: &Call,
    audio: &Wav,
    events: Vec<Event>,
    began: Instant,
) -> Result<(), RecorderError> {
    let mut due = interval(PACE);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut events = events.into_iter().peekable();
    let mut frames = frames(audio).peekable();
    while frames.peek().is_some() || events.peek().is_some() {
        due.tick().await;
        let now = Offset::try_from(began.elapsed().as_millis()).unwrap_or(Offset::MAX);
        loop {
            let next = frames.peek().map(|(at, frame)| (*at, frame));
            let until = next.map_or(now, |(at, _)| at.min(now));
            if let Some(event) = events.next_if(|event| event.at <= until) {
                call.happened(event.happening).await?;
                continue;
            }
            let Some((_, frame)) = next.filter(|(at, _)| at.saturating_add(FRAME_MS) <= now) else { break };
            // Nothing is lost where the recorder is behind: it is offered again.
            if !call.hear(frame.clone()) {
                break;
            }
            frames.next();
        }
    }
    // The last frame is due when it is over, and so the call ends where its audio ends.
    Ok(())
}

/// Every frame of every leg, in order of time, with the time.
fn frames(audio: &Wav) -> impl Iterator<Item = (Offset, Frame)> {
    let starts = (0..audio.duration_ms()).step_by(FRAME_MS as usize);
    starts.flat_map(move |at| {
        (0..audio.legs()).map(move |leg| (at, Frame::at_ms(leg, at, audio.samples(leg, at, FRAME_MS))))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::upload::wav::tests::pcm;

    #[test]
    fn every_sample_is_in_one_frame() {
        let samples: Vec<i16> = (0..2 * 1_001).collect();
        let audio = Wav::read(pcm(2, &samples)).unwrap();
        for leg in 0..2i16 {
            let frames = frames(&audio).map(|(_, frame)| frame);
            let all: Vec<Frame> = frames.filter(|f| i16::from(f.leg) == leg).collect();
            assert!(all.iter().enumerate().all(|(i, f)| f.at as usize == i * 160));
            let joined: Vec<i16> = all.into_iter().flat_map(|f| f.samples).collect();
            assert_eq!(joined, (0..1_001).map(|i| 2 * i + leg).collect::<Vec<_>>());
        }
    }
}
