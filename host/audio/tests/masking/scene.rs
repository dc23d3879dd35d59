//! Keys and speech, laid out on a line of time.

use std::{
    f64::consts::TAU,
    io::Write,
    process::{Command, Stdio},
};

/// A sine of 0 dBm0 at 16 bits: mu-law's largest, +3.17 dBm0, has an amplitude of 32,636 (ITU-T G.711).
const ZERO_DBM0: f64 = 22_656.0;
const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
const LOW_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// Keys of one string.
const STRING: usize = 6;

const TEXT: &str = "Thank you for calling, how may I help you today? I would like to ask about the bill that I received \
    last month. Certainly, let me have a look at that for you. Are you calling about the account that ends in forty two? \
    Yes, that is right, and I also want to change my address. All of our agents are trained to answer questions about \
    insurance, mortgages and savings. Oh no, that is awful; I am so sorry to hear that, and we will of course repair what \
    was broken. Please hold on for a moment while I look for the papers of last autumn. ";

/// A key, in samples.
pub(crate) struct Keyed {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Default)]
pub(crate) struct Scene {
    pub(crate) sound: Vec<i16>,
    pub(crate) keys: Vec<Keyed>,
    /// How far off its frequency a tone may be, as a part of it. ITU-T Q.24 has receivers accept 1.5 %.
    pub(crate) detuned: f64,
}

impl Scene {
    pub(crate) fn silence(&mut self, ms: usize) {
        // Not in whole milliseconds, so that keys begin anywhere.
        self.sound.resize(self.sound.len() + ms * 8 + 5, 0);
    }

    /// A string of random keys: the level of both tones together in dBm0, how much stronger the low one is in dB.
    pub(crate) fn key(&mut self, random: &mut Random, level: f64, twist: f64, on_ms: usize, off_ms: usize) {
        let power = 10f64.powf(level / 10.0);
        let ratio = 10f64.powf(twist / 10.0);
        let amplitude = |part: f64| ZERO_DBM0 * (power * part).sqrt();
        let (low, high) = (amplitude(ratio / (1.0 + ratio)), amplitude(1.0 / (1.0 + ratio)));
        for _ in 0..STRING {
            let (row, column) = (random.below(4), random.below(4));
            assert!(KEYS[row].len() > column);
            let (off_low, off_high) = (1.0 + random.spread(self.detuned), 1.0 + random.spread(self.detuned));
            let phase = random.spread(3.0);
            let start = self.sound.len();
            for i in 0..on_ms * 8 {
                let wave = |hz: f64| (TAU * hz * i as f64 / 8_000.0 + phase).sin();
                let value = low * wave(LOW_HZ[row] * off_low) + high * wave(HIGH_HZ[column] * off_high);
                self.sound.push(value.clamp(-32_768.0, 32_767.0) as i16);
            }
            self.keys.push(Keyed { start, end: self.sound.len() });
            self.silence(off_ms);
        }
    }
}

/// So many samples of somebody talking, at about -16 dBm0 while they do.
pub(crate) fn speech(voice: &str, samples: usize) -> Vec<i16> {
    let wav = piped("espeak-ng", &["-v", voice, "-s", "150", "--stdout", TEXT], &[]);
    let to = ["-q", "-t", "wav", "-", "-t", "raw", "-e", "signed", "-b", "16", "-r", "8000", "-c", "1", "-"];
    let raw = piped("sox", &[&to[..], &["norm", "-3"]].concat(), &wav);
    let spoken: Vec<i16> = raw.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    assert!(spoken.len() > 8_000, "espeak-ng says nothing");
    spoken.into_iter().cycle().take(samples).collect()
}

fn piped(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child =
        command.spawn().unwrap_or_else(|_| panic!("{program} is needed: apt-get install {program}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let fed = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // A program that does not read its input closes it.
    let _ = fed.join();
    assert!(output.status.success(), "{program} failed");
    output.stdout
}

/// Numbers that are the same on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }

    /// Between minus and plus `most`.
    pub(crate) fn spread(&mut self, most: f64) -> f64 {
        (self.below(2_001) as f64 / 1_000.0 - 1.0) * most
    }
}
