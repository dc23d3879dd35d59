//! What the host plays on a call whose protocol carries sound to the people on it, and what of it was heard.

use std::{sync::Arc, time::Duration};

use caveat_model::{NoticeKind, Offset, PartyId};
use caveat_recorder::{Cue, NewNotice};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// What is to be played now: 16-bit samples at 8,000 Hz.
pub(crate) struct Playing {
    pub(crate) sound: Arc<Vec<i16>>,
    /// Each has a number of its own.
    pub(crate) number: u64,
}

/// Who hears what is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Everyone on the call.
    All,
    /// One party.
    Party(PartyId),
    /// Those on a leg.
    Leg(u8),
}

/// Says when the cues of a call are to be played.
pub(crate) struct Player {
    cues: watch::Receiver<Vec<Cue>>,
    standing: Vec<Standing>,
    audience: Audience,
    sent: u64,
}

struct Standing {
    cue: Cue,
    /// When it is to be played next; none: it was, and is not repeated.
    due: Option<Instant>,
    /// Its number and when it began, until it was heard once.
    playing: Option<(u64, Option<Offset>)>,
}

impl Player {
    pub(crate) fn new(cues: watch::Receiver<Vec<Cue>>, audience: Audience) -> Self {
        Self { cues, standing: vec![], audience, sent: 0 }
    }

    /// The next cue, when it is due. Nothing is lost where this is not waited for to the end.
    pub(crate) async fn next(&mut self) -> Playing {
        loop {
            self.take_in();
            let now = Instant::now();
            if let Some(standing) = self.standing.iter_mut().find(|s| s.due.is_some_and(|due| due <= now)) {
                standing.due = standing.cue.every_s.map(|s| now + Duration::from_secs(s.into()));
                self.sent += 1;
                standing.playing = Some((self.sent, None));
                return Playing { sound: standing.cue.sound.clone(), number: self.sent };
            }
            let due = self.standing.iter().filter_map(|s| s.due).min();
            tokio::select! {
                changed = self.cues.changed() => if changed.is_err() { std::future::pending::<()>().await },
                () = until(due) => {}
            }
        }
    }

    /// It begins to sound at `at`: a recording may begin with it.
    pub(crate) fn begins(&mut self, playing: &Playing, at: Offset) {
        let mut all = self.standing.iter_mut().filter_map(|s| s.playing.as_mut());
        if let Some((_, began)) = all.find(|(number, _)| *number == playing.number) {
            *began = Some(at);
        }
    }

    /// What has this number was heard to its end: the notice that was given by it.
    pub(crate) fn heard(&mut self, number: u64) -> Option<NewNotice> {
        let is_it = |s: &&mut Standing| s.playing.is_some_and(|(of, _)| of == number);
        let standing = self.standing.iter_mut().find(is_it)?;
        let (_, began) = standing.playing.take()?;
        let (kind, every_s, record_from) = match standing.cue.every_s {
            Some(every_s) => (NoticeKind::Beep, every_s, None),
            None => (NoticeKind::Spoken, 0, began),
        };
        let (heard_by, heard_on) = match self.audience {
            Audience::All => (None, None),
            Audience::Party(party) => (Some(vec![party]), None),
            Audience::Leg(leg) => (None, Some(leg)),
        };
        let language = standing.cue.language.clone();
        Some(NewNotice { kind, record_from, heard_by, heard_on, language, every_s })
    }

    fn take_in(&mut self) {
        let cues = self.cues.borrow_and_update().clone();
        self.standing.retain(|s| cues.contains(&s.cue) || s.playing.is_some() && s.cue.every_s.is_none());
        for cue in cues {
            if !self.standing.iter().any(|s| s.cue == cue) {
                self.standing.push(Standing { cue, due: Some(Instant::now()), playing: None });
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
        let mut player = Player::new(cues.subscribe(), Audience::Party(1));
        let playing = player.next().await;
        assert_eq!((playing.number, playing.sound.len()), (1, 12_000));
        player.begins(&playing, 700);
        assert!(player.heard(9).is_none());
        let notice = player.heard(1).unwrap();
        assert_eq!(notice.record_from, Some(700));
        assert_eq!((notice.kind, notice.heard_by), (NoticeKind::Spoken, Some(vec![1])));
        // Another cue is another notice, though it sounds the same.
        cues.send_replace(vec![cue(2, None)]);
        assert_eq!(player.next().await.number, 2);
    }

    #[tokio::test]
    async fn a_tone_is_repeated_as_long_as_it_is_asked_for() {
        let cues = watch::Sender::new(vec![cue(0, Some(1))]);
        let mut player = Player::new(cues.subscribe(), Audience::Leg(2));
        let began = Instant::now();
        for n in 0..3 {
            player.next().await;
            assert!(began.elapsed() >= Duration::from_secs(n));
        }
        let tone = player.heard(3).unwrap();
        assert_eq!(
            (tone.kind, tone.every_s, tone.heard_by, tone.heard_on),
            (NoticeKind::Beep, 1, None, Some(2))
        );
        cues.send_replace(vec![]);
        assert!(tokio::time::timeout(Duration::from_millis(1_200), player.next()).await.is_err());
    }
}
