//! What the host plays into a connection, to whoever is on its channel. Asterisk plays a frame when it comes, so frames go out
//! at the pace of a call.

use std::{convert::Infallible, time::Duration};

use caveat_audio::SAMPLES_PER_MS;
use caveat_model::Offset;
use caveat_recorder::{Call, Frame, Happening, Who};
use tokio::{
    io::AsyncWriteExt,
    net::tcp::OwnedWriteHalf,
    time::{Instant, interval, timeout},
};

use super::frame;
use crate::{
    error::CaptureError,
    player::{Audience, Player},
};

const FRAME_LASTS: Duration = Duration::from_millis(20);
/// Samples of a frame.
const FRAME: usize = 160;
/// What is played is a voice beside the one that the channel sends.
const PLAYED: u8 = 1;

/// Who plays, and to whom.
pub(super) struct Speaker {
    pub(super) call: Call,
    /// Those on it hear what is played.
    pub(super) leg: u8,
    /// When the call began.
    pub(super) began: Instant,
    /// What is written has to be taken within this time, in milliseconds.
    pub(super) idle_ms: u64,
}

/// Plays as long as the connection lasts; without a speaker, nothing. One that takes nothing is played nothing more: that it
/// is gone is for the reader to find.
pub(super) async fn play(speaker: Option<Speaker>, mut writing: OwnedWriteHalf) -> Infallible {
    if let Some(speaker) = speaker
        && let Err(error) = speaker.plays(&mut writing).await
    {
        tracing::info!(call = speaker.call.id(), %error, "nothing more is played on a stream");
    }
    std::future::pending().await
}

impl Speaker {
    async fn plays(&self, writing: &mut OwnedWriteHalf) -> Result<Infallible, CaptureError> {
        let mut player = Player::new(self.call.cues().await?, Audience::Leg(self.leg));
        loop {
            let playing = player.next().await;
            let began = Offset::try_from(self.began.elapsed().as_millis()).unwrap_or(Offset::MAX);
            player.begins(&playing, began);
            let mut pace = interval(FRAME_LASTS);
            let places = (u64::from(began) * u64::from(SAMPLES_PER_MS)..).step_by(FRAME);
            for (at, piece) in places.zip(playing.sound.chunks(FRAME)) {
                pace.tick().await;
                self.send(writing, piece).await?;
                // It is heard on the call, and Asterisk does not send it back.
                self.call.hear(Frame { leg: self.leg, voice: PLAYED, at, samples: piece.to_vec() });
            }
            // The last frame is over when another one would be due.
            pace.tick().await;
            if let Some(notice) = player.heard(playing.number) {
                let who = Who::new("host", "played on the stream");
                self.call.happened_by(Happening::NoticePlayed(notice), who).await?;
            }
        }
    }

    async fn send(&self, writing: &mut OwnedWriteHalf, piece: &[i16]) -> Result<(), CaptureError> {
        let too_late = || CaptureError::TooLate { what: "reading of a message", ms: self.idle_ms };
        let frame = frame::audio(piece);
        let written = timeout(Duration::from_millis(self.idle_ms), writing.write_all(&frame)).await;
        written.map_err(|_| too_late())?.map_err(|_| CaptureError::CallOver)
    }
}
