//! `caveat pack inspect`: what a pack says of itself, before anybody loads it.

use std::{fmt::Write as _, path::Path, process::ExitCode};

use caveat_packs::{PackFile, Place, claimed_signers};
use serde_json::{Value, json};

use super::{print, registry, sign};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A pack file, or a reference: [oci://]HOST[:PORT]/REPOSITORY:TAG. What exists as a file is one.
    #[arg(value_name = "FILE|REF")]
    what: String,
    #[command(flatten)]
    keys: sign::SomeKeys,
    #[command(flatten)]
    access: registry::Access,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let path = Path::new(&args.what);
    let is_file = path.is_file() || args.what.ends_with(".wasm");
    let (file, place) = match is_file {
        true => (PackFile::open(path)?, None),
        false => registry::get(&args.access, &args.what).await.map(|(file, place)| (file, Some(place)))?,
    };
    let verified = args.keys.verify(&file)?;
    let cases = file.cases()?.len();
    let view = json!({
        "place": place,
        "manifest": &**file.manifest(),
        "digest": file.digest().to_string(),
        "bytes": file.bytes().len(),
        "settings-schema": file.schema(),
        "case-files": cases,
        "signers": claimed_signers(&file),
        "verified-signers": verified,
    });
    print(&view, args.json, |_| text(&file, place.as_ref(), verified.as_deref()))?;
    Ok(ExitCode::SUCCESS)
}

fn text(file: &PackFile, place: Option<&Place>, verified: Option<&[String]>) -> String {
    let (manifest, about) = (file.manifest(), &file.manifest().pack);
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<10} {}", if value.is_empty() { "-".to_owned() } else { value });
    };
    row("pack", format!("{} {}  {}", about.name, about.version, about.title));
    row("digest", file.digest().to_string());
    if let Some(place) = place {
        row("lies at", place.by_digest.clone());
    }
    row("size", format!("{} bytes", file.bytes().len()));
    row("contract", format!("caveat:policy {}", about.contract));
    let stages: Vec<String> = about.stages.iter().map(ToString::to_string).collect();
    row("stages", stages.join(", "));
    row("imports", about.imports.join(", "));
    row("settings", settings(file.schema()));
    row("needs", needs(manifest));
    row("license", about.license.clone());
    row(
        "signers",
        match (verified, claimed_signers(file)) {
            (Some(signers), _) => format!("{} (verified)", signers.join(", ")),
            (None, none) if none.is_empty() => "nobody".to_owned(),
            (None, signers) => format!("{} (not verified: give --key)", signers.join(", ")),
        },
    );
    let _ = writeln!(out, "rules");
    for rule in &manifest.rules {
        let _ = writeln!(out, "  {:<40} {}", rule.id, rule.citation);
    }
    if !manifest.facts.is_empty() {
        let _ = writeln!(out, "facts it asks for");
    }
    for fact in &manifest.facts {
        let _ = writeln!(out, "  {:<40} {}", fact.name, fact.summary);
    }
    out
}

fn settings(schema: Option<&Value>) -> String {
    let properties = schema.and_then(|s| s["properties"].as_object());
    properties.map(|p| p.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

fn needs(manifest: &caveat_packs::Manifest) -> String {
    let needs = serde_json::to_value(manifest.needs).unwrap_or_default();
    let each = needs.as_object().into_iter().flatten().map(|(name, value)| format!("{name} = {value}"));
    each.collect::<Vec<_>>().join(", ")
}
