//! A telephone that sends: tones as G.711, a packet every 20 ms, from a socket of its own. And an ear that knows them again.

use std::{f64::consts::TAU, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use caveat_audio::g711;
use tokio::{
    net::UdpSocket,
    time::{Instant, MissedTickBehavior, interval, interval_at, sleep_until},
};

const RATE_HZ: usize = 8_000;
/// Samples of a packet, and how long it lasts.
const FRAME: usize = 160;
const FRAME_LASTS: Duration = Duration::from_millis(20);
const FIRST_STAMP: u32 = 8_000;
const MU_LAW: u8 = 0;
/// The payload type of keys, as offers here have it.
const KEYS: u8 = 101;

/// A tone at 8,000 Hz.
pub fn tone(hz: f64, amplitude: f64, ms: usize) -> Vec<i16> {
    let sample = |n: usize| (amplitude * (TAU * hz * n as f64 / RATE_HZ as f64).sin()) as i16;
    (0..ms * RATE_HZ / 1_000).map(sample).collect()
}

/// How loud a tone of this frequency is in a stretch of a channel: its amplitude, as a mean over pieces of 50 ms. Multiples
/// of 20 Hz are told apart; a sample that was put in or left out between two pieces changes nothing.
pub fn amplitude(channel: &[i16], hz: f64, from_ms: usize, to_ms: usize) -> f64 {
    let place = |ms: usize| (ms * RATE_HZ / 1_000).min(channel.len());
    let pieces = channel[place(from_ms)..place(to_ms)].chunks_exact(RATE_HZ / 20);
    let count = pieces.len().max(1) as f64;
    let of = |piece: &[i16]| {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (n, sample) in piece.iter().enumerate() {
            let angle = TAU * hz * n as f64 / RATE_HZ as f64;
            real += f64::from(*sample) * angle.cos();
            imaginary += f64::from(*sample) * angle.sin();
        }
        2.0 * f64::hypot(real, imaginary) / piece.len() as f64
    };
    pieces.map(of).sum::<f64>() / count
}

/// One source of RTP (RFC 3550), in G.711 mu-law.
pub struct Phone {
    socket: Arc<UdpSocket>,
    /// Its synchronization source.
    pub ssrc: u32,
    number: u16,
    stamp: u32,
    /// When what was sent so far has been played.
    played: Option<Instant>,
}

impl Phone {
    /// On a port that is free.
    pub async fn new(ssrc: u32) -> anyhow::Result<Self> {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        Ok(Self { socket, ssrc, number: 100, stamp: FIRST_STAMP, played: None })
    }

    /// Another source that sends from the same port.
    pub fn beside(&self) -> Self {
        Self { socket: self.socket.clone(), ..*self }
    }

    /// Where it sends from, and may be sent to.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// Sends a sound, as long as it lasts; behind what it sent before, not into it.
    pub async fn plays(&mut self, to: SocketAddr, sound: &[i16]) -> anyhow::Result<()> {
        let now = Instant::now();
        let begins = self.played.map_or(now, |played| played.max(now));
        self.played = Some(begins + FRAME_LASTS * (sound.len() / FRAME) as u32);
        let mut clock = interval_at(begins, FRAME_LASTS);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for frame in sound.chunks_exact(FRAME) {
            clock.tick().await;
            let packet = self.packet(frame);
            // Whoever does not listen yet, or any more, may refuse it.
            let _ = self.socket.send_to(&packet, to).await;
        }
        Ok(())
    }

    /// Sends bytes of any kind.
    pub async fn throws(&self, to: SocketAddr, bytes: &[u8]) -> anyhow::Result<()> {
        self.socket.send_to(bytes, to).await?;
        Ok(())
    }

    /// Sends linear samples at 16,000 Hz (L16, RFC 3551 section 4.5.11) as long as they last, under this payload type.
    pub async fn plays_linear(
        &mut self,
        to: SocketAddr,
        payload_type: u8,
        sound: &[i16],
    ) -> anyhow::Result<()> {
        let mut clock = interval(FRAME_LASTS);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for frame in sound.chunks_exact(2 * FRAME) {
            clock.tick().await;
            let payload: Vec<u8> = frame.iter().flat_map(|sample| sample.to_be_bytes()).collect();
            let packet = self.with(payload_type, self.stamp, &payload);
            self.skips(frame.len());
            let _ = self.socket.send_to(&packet, to).await;
        }
        Ok(())
    }

    /// Tells of a key that has been held for `since_ms` already and is for `ms` more (RFC 4733 section 2.5): a packet every
    /// 20 ms in place of sound, and the last one three times.
    pub async fn presses(
        &mut self,
        to: SocketAddr,
        key: char,
        since_ms: usize,
        ms: usize,
    ) -> anyhow::Result<()> {
        let code = "0123456789*#".find(key).context("a key that is none")? as u8;
        let before = (since_ms * RATE_HZ / 1_000) as u32;
        let begins = self.stamp.wrapping_sub(before);
        let frames = ms / 20;
        let mut due = self.played.unwrap_or_else(Instant::now);
        for frame in 1..=frames {
            sleep_until(due).await;
            due += FRAME_LASTS;
            let lasted = before + (frame * FRAME) as u32;
            let [high, low] = u16::try_from(lasted)?.to_be_bytes();
            let is_last = frame == frames;
            for _ in 0..if is_last { 3 } else { 1 } {
                let content = [code, u8::from(is_last) << 7 | 10, high, low];
                let packet = self.with(KEYS, begins, &content);
                let _ = self.socket.send_to(&packet, to).await;
            }
        }
        self.stamp = self.stamp.wrapping_add((frames * FRAME) as u32);
        self.played = Some(due);
        Ok(())
    }

    /// The next packet.
    pub fn packet(&mut self, frame: &[i16]) -> Vec<u8> {
        let packet = self.with(MU_LAW, self.stamp, &g711::to_mu_law(frame));
        self.stamp = self.stamp.wrapping_add(frame.len() as u32);
        packet
    }

    /// Says nothing for so many samples: no packet is missing, and its clock goes on.
    pub fn skips(&mut self, samples: usize) {
        self.stamp = self.stamp.wrapping_add(samples as u32);
    }

    fn with(&mut self, payload_type: u8, stamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.number.to_be_bytes());
        packet.extend(stamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.number = self.number.wrapping_add(1);
        packet
    }

    /// How much sound was sent so far, in milliseconds.
    pub fn sent_ms(&self) -> usize {
        self.stamp.wrapping_sub(FIRST_STAMP) as usize * 1_000 / RATE_HZ
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_heard_as_loud_as_it_is_and_no_other() {
        let sound = tone(700.0, 5_000.0, 1_000);
        assert!((amplitude(&sound, 700.0, 100, 900) - 5_000.0).abs() < 50.0);
        assert!(amplitude(&sound, 1_200.0, 100, 900) < 50.0);
    }
}
