//! Real speech (espeak-ng, sox) with the time of every word, as a recognizer would give it.

use std::{
    collections::HashMap,
    io::Write,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, bail};
use serde_json::{Value, json};

/// Samples per millisecond.
const PER_MS: usize = 8;
/// Silence between two words.
const BETWEEN_WORDS_MS: usize = 60;

/// A word in a sound, in milliseconds from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// As said.
    pub text: String,
    /// From.
    pub start: u32,
    /// Until.
    pub end: u32,
}

/// Something said: 16-bit samples at 8,000 Hz, and when each word is.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The sound.
    pub samples: Vec<i16>,
    /// The words.
    pub words: Vec<Timed>,
}

/// Says a text, word by word, so that the times are exact.
pub fn say(text: &str, voice: &str) -> anyhow::Result<Said> {
    let mut said = Said::default();
    for word in text.split_whitespace() {
        let start = said.samples.len();
        said.samples.extend(sound(word.trim_matches(|c: char| !c.is_alphanumeric()), voice)?);
        let ms = |samples: usize| (samples / PER_MS) as u32;
        said.words.push(Timed { text: word.to_owned(), start: ms(start), end: ms(said.samples.len()) });
        said.samples.resize(said.samples.len() + BETWEEN_WORDS_MS * PER_MS, 0);
    }
    Ok(said)
}

impl Said {
    /// How long it takes.
    pub fn duration_ms(&self) -> u32 {
        (self.samples.len() / PER_MS) as u32
    }

    /// The words as the API takes them, for a leg, said from `at` on.
    pub fn as_words(&self, leg: u8, at: u32) -> Value {
        let word = |w: &Timed| json!({"leg": leg, "start": at + w.start, "end": at + w.end, "text": w.text});
        Value::Array(self.words.iter().map(word).collect())
    }
}

/// What was said before: the same word in the same voice is made once.
type Spoken = HashMap<(String, String), Vec<i16>>;

static SPOKEN: Mutex<Option<Spoken>> = Mutex::new(None);

fn sound(word: &str, voice: &str) -> anyhow::Result<Vec<i16>> {
    let key = (word.to_owned(), voice.to_owned());
    let known = |m: &Option<HashMap<_, Vec<i16>>>| m.as_ref().and_then(|m| m.get(&key).cloned());
    if let Some(samples) = known(&SPOKEN.lock().unwrap_or_else(PoisonError::into_inner)) {
        return Ok(samples);
    }
    let wav = piped("espeak-ng", &["-v", voice, "-s", "170", "--stdout", word], &[])?;
    let trim = ["silence", "1", "0.005", "0.5%", "reverse", "silence", "1", "0.005", "0.5%", "reverse"];
    let mut args =
        vec!["-q", "-t", "wav", "-", "-t", "raw", "-e", "signed", "-b", "16", "-r", "8000", "-c", "1", "-"];
    args.extend(trim);
    let raw = piped("sox", &args, &wav)?;
    let samples: Vec<i16> = raw.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let mut spoken = SPOKEN.lock().unwrap_or_else(PoisonError::into_inner);
    spoken.get_or_insert_default().insert(key, samples.clone());
    Ok(samples)
}

fn piped(program: &str, args: &[&str], input: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{program} is needed: apt-get install espeak-ng sox"))?;
    child.stdin.take().context("a pipe")?.write_all(input)?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{program} failed");
    }
    Ok(output.stdout)
}
