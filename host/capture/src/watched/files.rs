//! Pairs of files in a watched folder: found, read, moved. Only plain files directly in it; no links.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::{Digest, Sha256};
use tokio::{fs, io::AsyncReadExt};

use crate::{Limits, error::CaptureError};

/// What is told of a file that has not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    audio: (u64, Option<SystemTime>),
    sidecar: (u64, Option<SystemTime>),
}

/// `NAME.wav` and `NAME.json`.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) shape: Shape,
}

/// The pairs in a folder, by name; at most so many files are looked at.
pub(super) async fn pairs(folder: &Path, files_max: usize) -> io::Result<Vec<Pair>> {
    let mut entries = fs::read_dir(folder).await?;
    let mut names = HashSet::new();
    let mut looked_at = 0;
    while let Some(entry) = entries.next_entry().await? {
        looked_at += 1;
        if looked_at > files_max {
            tracing::warn!(folder = %folder.display(), limit = files_max, "a watched folder has too many files");
            break;
        }
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".json")) else { continue };
        if !name.is_empty() && !name.starts_with('.') {
            names.insert(name.to_owned());
        }
    }
    let mut pairs = Vec::new();
    for name in names {
        if let Some(shape) = shape(folder, &name).await {
            pairs.push(Pair { name, shape });
        }
    }
    pairs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pairs)
}

/// None unless both are there.
async fn shape(folder: &Path, name: &str) -> Option<Shape> {
    let of = async |end: &str| {
        let told = fs::symlink_metadata(folder.join(format!("{name}.{end}"))).await.ok()?;
        told.is_file().then(|| (told.len(), told.modified().ok()))
    };
    Some(Shape { audio: of("wav").await?, sidecar: of("json").await? })
}

/// Audio and sidecar, whole; none if they change meanwhile.
pub(super) async fn read(
    folder: &Path,
    pair: &Pair,
    limits: &Limits,
) -> Result<Option<(Vec<u8>, Vec<u8>)>, CaptureError> {
    let name = &pair.name;
    let part = async |end: &str, what, limit_bytes: usize| {
        let path = folder.join(format!("{name}.{end}"));
        let Ok(file) = fs::File::open(&path).await else { return Ok(None) };
        let mut bytes = Vec::new();
        let limit = limit_bytes as u64 + 1;
        if file.take(limit).read_to_end(&mut bytes).await.is_err() {
            return Ok(None);
        }
        if bytes.len() > limit_bytes {
            return Err(CaptureError::TooLarge { what, limit_bytes });
        }
        Ok(Some(bytes))
    };
    let sidecar = part("json", "sidecar", limits.upload_facts_bytes_max).await?;
    let audio = part("wav", "audio", limits.upload_bytes_max).await?;
    let unchanged = shape(folder, name).await == Some(pair.shape);
    Ok(audio.zip(sidecar).filter(|_| unchanged))
}

/// Names a content.
pub(super) fn digest(audio: &[u8], sidecar: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update((audio.len() as u64).to_be_bytes());
    hash.update(audio);
    hash.update(sidecar);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Moves a pair into a folder beside it. A name that is taken there gets a number.
pub(super) async fn move_to(folder: &Path, place: &str, name: &str, reason: Option<&str>) -> io::Result<()> {
    let target = folder.join(place);
    fs::create_dir_all(&target).await?;
    let to = free_name(&target, name).await?;
    if let Some(reason) = reason {
        // Whoever waits for it shall not read half of it.
        let part = target.join(format!(".{to}.reason.txt"));
        fs::write(&part, format!("{reason}\n")).await?;
        fs::rename(part, target.join(format!("{to}.reason.txt"))).await?;
    }
    // The sidecar last: what is left of a pair that was moved half is not taken for a whole one.
    for end in ["wav", "json"] {
        let from = folder.join(format!("{name}.{end}"));
        match fs::rename(from, target.join(format!("{to}.{end}"))).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Deletes the plain audio and keeps the sidecar.
pub(super) async fn remove_audio(folder: &Path, name: &str) -> io::Result<()> {
    fs::remove_file(folder.join(format!("{name}.wav"))).await?;
    move_to(folder, "done", name, None).await
}

async fn free_name(target: &Path, name: &str) -> io::Result<String> {
    const NUMBERS: u32 = 10_000;
    for number in 1..=NUMBERS {
        let candidate = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
        let path = |end: &str| -> PathBuf { target.join(format!("{candidate}.{end}")) };
        if !fs::try_exists(path("json")).await? && !fs::try_exists(path("wav")).await? {
            return Ok(candidate);
        }
    }
    Err(io::Error::other(format!("{name} is in {} {NUMBERS} times", target.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn only_whole_pairs_of_plain_files_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(dir.path().join(name), name).unwrap();
        ["a.wav", "a.json", "b.wav", "c.json", ".d.wav", ".d.json", "e.wav", ".json"]
            .iter()
            .for_each(|f| put(f));
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("e.json")).unwrap();
        std::fs::create_dir(dir.path().join("f.json")).unwrap();
        put("f.wav");
        let names = async |max| -> Vec<String> {
            pairs(dir.path(), max).await.unwrap().into_iter().map(|p| p.name).collect()
        };
        assert_eq!(names(100).await, ["a"]);
        assert!(names(0).await.is_empty());
        assert!(pairs(&dir.path().join("nowhere"), 9).await.is_err());
    }

    #[tokio::test]
    async fn what_changes_or_is_too_large_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        put("a.wav", "12345");
        put("a.json", "{}");
        let pair = pairs(dir.path(), 9).await.unwrap().remove(0);
        let limits = Limits { upload_bytes_max: 5, ..Limits::default() };
        let both = read(dir.path(), &pair, &limits).await.unwrap();
        assert_eq!(both, Some((b"12345".to_vec(), b"{}".to_vec())));
        put("a.wav", "1234");
        assert_eq!(read(dir.path(), &pair, &limits).await.unwrap(), None);
        put("a.wav", "123456");
        assert!(matches!(read(dir.path(), &pair, &limits).await, Err(CaptureError::TooLarge { .. })));
    }

    #[tokio::test]
    async fn nothing_is_overwritten_when_moved() {
        let dir = tempfile::tempdir().unwrap();
        for round in ["1", "2"] {
            std::fs::write(dir.path().join("a.wav"), round).unwrap();
            std::fs::write(dir.path().join("a.json"), round).unwrap();
            move_to(dir.path(), "failed", "a", Some("why")).await.unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join("failed").join(name)).unwrap();
        assert_eq!(
            (read("a.wav"), read("a-2.wav"), read("a-2.reason.txt")),
            ("1".into(), "2".into(), "why\n".into())
        );
        assert_ne!(digest(b"ab", b"c"), digest(b"a", b"bc"));
    }
}
