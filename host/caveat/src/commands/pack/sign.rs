//! `caveat pack keygen`, `sign`, `verify`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use caveat_notes::{SigningKey, VerifierKey};
use caveat_packs::{PackFile, signature_path};
use serde_json::json;

use super::print;

#[derive(Debug, clap::Args)]
pub(crate) struct KeygenArgs {
    /// The key's name, for people: a schema-less URL by custom (acme.example/packs).
    name: String,
    /// Where to write it, readable by its owner only. A key is never written over.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SignArgs {
    /// Pack files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The key (`caveat pack keygen`).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Print what was signed as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The pack; its signature lies beside it (FILE.sig).
    file: PathBuf,
    #[command(flatten)]
    keys: Keys,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Public keys that are believed.
#[derive(Debug, clap::Args)]
pub(crate) struct Keys {
    /// A public key that is trusted: the key itself, or a file with one a line. May be given again.
    #[arg(long = "key", value_name = "VKEY|FILE", required = true)]
    keys: Vec<String>,
}

/// The same where nobody has to be believed.
#[derive(Debug, clap::Args)]
pub(crate) struct SomeKeys {
    /// A public key: the pack must be signed by one of those given. The key itself, or a file with one a line.
    #[arg(long = "key", value_name = "VKEY|FILE")]
    keys: Vec<String>,
}

impl SomeKeys {
    /// Which of the keys signed the pack; none when no key was given.
    pub(crate) fn verify(&self, file: &PackFile) -> anyhow::Result<Option<Vec<String>>> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let signers = caveat_packs::verify(file, &read_keys(&self.keys)?);
        signers.map(Some).with_context(|| named(file))
    }
}

pub(crate) fn keygen(args: &KeygenArgs) -> anyhow::Result<ExitCode> {
    let key = SigningKey::create(&args.out, &args.name)?;
    let public = key.verifier_key().to_string();
    let made = json!({ "name": args.name, "file": args.out, "verifier-key": public });
    print(&made, args.json, |_| format!("{public}\n"))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn sign(args: &SignArgs) -> anyhow::Result<ExitCode> {
    let key = SigningKey::open(&args.key)?;
    let mut signed = vec![];
    for path in &args.files {
        let file = PackFile::open(path)?;
        let note = caveat_packs::sign(&file, &key)?;
        let beside = write_signature(path, &note)?;
        signed
            .push(json!({ "pack": named(&file), "digest": file.digest().to_string(), "signature": beside }));
    }
    print(&signed, args.json, |_| {
        let line = |s: &serde_json::Value| format!("{}\n", s["signature"].as_str().unwrap_or_default());
        signed.iter().map(line).collect()
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let file = PackFile::open(&args.file)?;
    let result = caveat_packs::verify(&file, &read_keys(&args.keys.keys)?);
    let (signers, problem) = match result {
        Ok(signers) => (signers, None),
        Err(problem) => (vec![], Some(problem.to_string())),
    };
    let about = &file.manifest().pack;
    let report = json!({
        "pack": about.name, "version": about.version, "digest": file.digest().to_string(),
        "verified": problem.is_none(), "signers": signers, "problem": problem,
    });
    print(&report, args.json, |_| {
        let what = format!("{} {}", named(&file), file.digest());
        match &problem {
            None => format!("{what}\nsigned by {}\n", signers.join(", ")),
            Some(problem) => format!("{what}\nNOT VERIFIED: {problem}\n"),
        }
    })?;
    Ok(if problem.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts a note beside a pack file; gives its path.
pub(crate) fn write_signature(pack: &Path, note: &str) -> anyhow::Result<PathBuf> {
    let path = signature_path(pack);
    fs::write(&path, note).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn named(file: &PackFile) -> String {
    let about = &file.manifest().pack;
    format!("{} {}", about.name, about.version)
}

/// Keys as they are, or files of them; what is a file is read as one.
fn read_keys(given: &[String]) -> anyhow::Result<Vec<VerifierKey>> {
    let mut keys = vec![];
    for word in given {
        if !Path::new(word).is_file() {
            keys.push(word.parse()?);
            continue;
        }
        let text = fs::read_to_string(word).with_context(|| format!("cannot read {word}"))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            keys.push(line.parse().with_context(|| word.clone())?);
        }
    }
    Ok(keys)
}
