//! What once ruled is kept whole, or said not to be.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{fs, sync::Arc};

use caveat_model::Digest;
use caveat_notes::SigningKey;
use caveat_packs::{Archive, PackError};
use object_store::local::LocalFileSystem;
use serde_json::json;
use support::{Behavior, pack};

#[tokio::test]
async fn packs_and_settings_come_back_by_digest() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::new(Arc::new(LocalFileSystem::new_with_prefix(dir.path()).unwrap()));
    let file = pack("house-standard", &Behavior::Says(0, "house.disclosure"), None);
    let settings = json!({ "b": 1, "a": [true] });
    archive.put(&file, &settings).await.unwrap();
    archive.put(&file, &settings).await.unwrap();

    assert_eq!(archive.get_pack(file.digest()).await.unwrap().bytes(), file.bytes());
    let stored = fs::read_dir(dir.path().join("settings")).unwrap().next().unwrap().unwrap();
    assert_eq!(fs::read_to_string(stored.path()).unwrap(), r#"{"a":[true],"b":1}"#);
    let digest: Digest =
        format!("sha256:{}", stored.path().file_stem().unwrap().to_str().unwrap()).parse().unwrap();
    assert_eq!(archive.get_settings(digest).await.unwrap(), settings);

    fs::write(stored.path(), r#"{"a":[false],"b":1}"#).unwrap();
    assert!(matches!(archive.get_settings(digest).await, Err(PackError::ArchiveDamaged { .. })));
    assert!(matches!(archive.get_pack(Digest([0; 32])).await, Err(PackError::NotArchived { .. })));
}

#[tokio::test]
async fn a_pack_comes_back_with_every_signature_it_came_with() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::new(Arc::new(LocalFileSystem::new_with_prefix(dir.path()).unwrap()));
    let file = pack("house-standard", &Behavior::Says(0, "house.disclosure"), None);
    archive.put(&file, &json!({})).await.unwrap();
    let keys = ["ours", "theirs"].map(|n| SigningKey::create(&dir.path().join(n), n).unwrap());
    for key in &keys {
        let note = caveat_packs::sign(&file, key).unwrap();
        archive.put_signatures(&file.clone().signed(note)).await.unwrap();
    }
    let back = archive.get_pack(file.digest()).await.unwrap();
    for key in &keys {
        let signers = caveat_packs::verify(&back, &[key.verifier_key()]).unwrap();
        assert!(signers.len() == 1 && signers[0].starts_with(key.name()), "{signers:?}");
    }

    let notes = dir.path().join("signatures").read_dir().unwrap().next().unwrap().unwrap().path();
    let note = notes.read_dir().unwrap().next().unwrap().unwrap().path();
    fs::write(note, "another note").unwrap();
    assert!(matches!(archive.get_pack(file.digest()).await, Err(PackError::ArchiveDamaged { .. })));
}
