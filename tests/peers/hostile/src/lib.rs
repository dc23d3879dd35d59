//! A neighbor that means harm: it never answers, and uses up whatever it is given.

use std::hint::black_box;

use caveat_sdk::{
    CaptureRules, Facts, Pack,
    capture::{Event, Ruling},
    settings::Problem,
};

/// What it uses up.
#[derive(serde::Deserialize)]
pub struct Settings {
    /// Memory; fuel otherwise.
    #[serde(default)]
    grows: bool,
}

/// The pack.
pub struct Hostile {
    grows: bool,
}

impl Pack for Hostile {
    type Settings = Settings;

    fn new(Settings { grows }: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self { grows })
    }
}

impl CaptureRules for Hostile {
    fn capture(&self, _: &Event, _: &Facts) -> Ruling {
        let mut kept: Vec<Vec<u8>> = Vec::new();
        loop {
            if self.grows {
                kept.push(vec![1; 64 << 10]);
            }
            black_box(&kept);
        }
    }
}

caveat_sdk::pack!(Hostile: capture);
