//! What the host plays on a bidirectional stream, and what of it was heard.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_audio::g711;
use caveat_model::{NoticeKind, Offset, PartyId};
use caveat_recorder::{Cue, NewNotice};
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// What is to be sent now, and what is heard of it on the call.
pub(super) struct Playing {
    pub(super) messages: Vec<String>,
    pub(super) sound: Arc<Vec<i16>>,
    mark: String,
}

/// The customer's number within a call of this protocol.
const CUSTOMER: PartyId = 1;
/// Samples of one message: a second.
const PIECE: usize = 8_000;
/// Before the number in the name of a mark.
const PLAYED: &str = "caveat:played:";

/// Plays the cues of a call.
pub(super) struct Player {
    cues: watch::Receiver<Vec<Cue>>,
    standing: Vec<Standing>,
    /// Whether everyone on the call hears the stream, not the customer alone.
    to_all: bool,
    sent: u64,
}

struct Standing {
    cue: Cue,
    /// When it is to be played next; none: it was, and is not repeated.
    due: Option<Instant>,
    /// The mark behind it and when it began, until it was heard once.
    mark: Option<(String, Option<Offset>)>,
}

impl Player {
    pub(super) fn new(cues: watch::Receiver<Vec<Cue>>, to_all: bool) -> Self {
        Self { cues, standing: vec![], to_all, sent: 0 }
    }

    /// The next cue, when it is due. Nothing is lost where this is not waited for to the end.
    pub(super) async fn next(&mut self, stream: &str) -> Playing {
        loop {
            self.take_in();
            let now = Instant::now();
            if let Some(standing) = self.standing.iter_mut().find(|s| s.due.is_some_and(|due| due <= now)) {
                standing.due = standing.cue.every_s.map(|s| now + Duration::from_secs(s.into()));
                self.sent += 1;
                let mark = format!("{PLAYED}{}", self.sent);
                let sound = standing.cue.sound.clone();
                standing.mark = Some((mark.clone(), None));
                return Playing { messages: messages(stream, &sound, &mark), sound, mark };
            }
            let due = self.standing.iter().filter_map(|s| s.due).min();
            tokio::select! {
                changed = self.cues.changed() => if changed.is_err() { std::future::pending::<()>().await },
                () = until(due) => {}
            }
        }
    }

    /// It begins to sound at `at`: a recording may begin with it.
    pub(super) fn begins(&mut self, playing: &Playing, at: Offset) {
        let mut marks = self.standing.iter_mut().filter_map(|s| s.mark.as_mut());
        if let Some((_, began)) = marks.find(|(mark, _)| *mark == playing.mark) {
            *began = Some(at);
        }
    }

    /// The notice that was given, when Twilio gives back the mark behind it.
    pub(super) fn heard(&mut self, mark: &str) -> Option<NewNotice> {
        let is_behind = |s: &&mut Standing| s.mark.as_ref().is_some_and(|(name, _)| name == mark);
        let standing = self.standing.iter_mut().find(is_behind)?;
        let (_, began) = standing.mark.take()?;
        let (kind, every_s, record_from) = match standing.cue.every_s {
            Some(every_s) => (NoticeKind::Beep, every_s, None),
            None => (NoticeKind::Spoken, 0, began),
        };
        let heard_by = (!self.to_all).then(|| vec![CUSTOMER]);
        Some(NewNotice { kind, record_from, heard_by, language: standing.cue.language.clone(), every_s })
    }

    fn take_in(&mut self) {
        let cues = self.cues.borrow_and_update().clone();
        self.standing.retain(|s| cues.contains(&s.cue) || s.mark.is_some() && s.cue.every_s.is_none());
        for cue in cues {
            if !self.standing.iter().any(|s| s.cue == cue) {
                self.standing.push(Standing { cue, due: Some(Instant::now()), mark: None });
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn messages(stream: &str, sound: &[i16], mark: &str) -> Vec<String> {
    let media = |piece: &[i16]| {
        let payload = BASE64_STANDARD.encode(g711::to_mu_law(piece));
        json!({ "event": "media", "streamSid": stream, "media": { "payload": payload } }).to_string()
    };
    let mark = json!({ "event": "mark", "streamSid": stream, "mark": { "name": mark } }).to_string();
    sound.chunks(PIECE).map(media).chain([mark]).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn cue(id: u32, every_s: Option<u16>) -> Cue {
        Cue { id, language: "en".into(), sound: Arc::new(vec![100; 12_000]), every_s }
    }

    #[tokio::test]
    async fn a_notice_is_played_once_and_told_of_when_it_was_heard() {
        let cues = watch::Sender::new(vec![cue(1, None)]);
        let mut player = Player::new(cues.subscribe(), false);
        let playing = player.next("MZ1").await;
        assert_eq!(playing.messages.len(), 3, "two pieces and a mark");
        assert!(playing.messages[2].contains("caveat:played:1"));
        player.begins(&playing, 700);
        assert!(player.heard("caveat:played:9").is_none());
        let notice = player.heard("caveat:played:1").unwrap();
        assert_eq!(notice.record_from, Some(700));
        assert_eq!((notice.kind, notice.heard_by), (NoticeKind::Spoken, Some(vec![CUSTOMER])));
        // Another cue is another notice, though it sounds the same.
        cues.send_replace(vec![cue(2, None)]);
        assert!(player.next("MZ1").await.messages[2].contains("caveat:played:2"));
    }

    #[tokio::test]
    async fn a_tone_is_repeated_as_long_as_it_is_asked_for() {
        let cues = watch::Sender::new(vec![cue(0, Some(1))]);
        let mut player = Player::new(cues.subscribe(), true);
        let began = Instant::now();
        for n in 0..3 {
            player.next("MZ1").await;
            assert!(began.elapsed() >= Duration::from_secs(n));
        }
        assert_eq!(player.heard("caveat:played:3").unwrap().every_s, 1);
        cues.send_replace(vec![]);
        assert!(tokio::time::timeout(Duration::from_millis(1_200), player.next("MZ1")).await.is_err());
    }
}
