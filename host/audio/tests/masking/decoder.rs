//! multimon-ng: Debian's decoder of tones, run on a file.

use std::{
    fs,
    process::{Command, Stdio},
};

/// What it works at.
const RATE_HZ: &str = "22050";

/// The keys that it reads in a sound of 8,000 Hz, in order.
pub(crate) fn decoded(sound: &[i16]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (narrow, wide) = (dir.path().join("8000.raw"), dir.path().join("22050.raw"));
    fs::write(&narrow, sound.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let raw = ["-t", "raw", "-e", "signed", "-b", "16", "-c", "1"];
    let mut sox = Command::new("sox");
    sox.args(["-q", "-V1"])
        .args(raw)
        .args(["-r", "8000"])
        .arg(&narrow)
        .args(raw)
        .args(["-r", RATE_HZ])
        .arg(&wide);
    let resampled = sox.status().expect("sox is needed: apt-get install sox");
    assert!(resampled.success(), "sox failed");
    let output = Command::new("multimon-ng")
        .args(["-q", "-a", "DTMF", "-t", "raw"])
        .arg(&wide)
        .stderr(Stdio::null())
        .output()
        .expect("multimon-ng is needed: apt-get install multimon-ng");
    assert!(output.status.success(), "multimon-ng failed");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.strip_prefix("DTMF: ")).map(str::trim).collect()
}
