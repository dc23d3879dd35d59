//! Redaction: what is gone is gone from everything that is left, what is masked comes back, and the rest plays on.
#![allow(clippy::unwrap_used, reason = "tests")]

mod house;

use std::ops::Range;

use caveat_model::{ClientId, RecordingId};
use caveat_vault::{Cut, Edge, Kind, Mask, Reader, SealReason, Taken, Vault, VaultError};
use house::{House, client, cut, second, two_legs};
use object_store::{ObjectStoreExt, PutPayload, path::Path};

const SECONDS: u32 = 12;

/// A sealed recording of two legs, with words in every second.
async fn recorded(vault: &Vault, house: &House) -> (ClientId, RecordingId) {
    let (acme, id) = (client("acme"), house.id());
    let writer = vault.begin(&acme, id, two_legs()).await.unwrap();
    for leg in [0, 1] {
        for index in 0..SECONDS {
            writer.append(leg, index, Kind::Audio, &second(leg, index)).await.unwrap();
            writer.append(leg, index, Kind::Waveform, b"peaks").await.unwrap();
            writer.append(leg, index, Kind::Transcript, b"words").await.unwrap();
        }
    }
    writer.seal(SealReason::Ended).await.unwrap();
    (acme, id)
}

/// The seconds of a leg that open, of a kind: one by one, and all at once.
async fn opens(reader: &Reader, leg: u8, kind: Kind) -> Vec<u32> {
    let mut found = vec![];
    for index in 0..SECONDS {
        match reader.read(leg, index, kind).await {
            Ok(plain) => found.push((index, Some(plain))),
            Err(VaultError::Shredded { .. }) => found.push((index, None)),
            Err(e) => panic!("{e}"),
        }
    }
    assert_eq!(reader.read_all(leg, 0..SECONDS, kind).await.unwrap(), found);
    assert_eq!(reader.read_all(leg, 3..5, kind).await.unwrap(), found[3..5]);
    found.into_iter().filter_map(|(index, plain)| plain.map(|_| index)).collect()
}

fn without(gone: Range<u32>) -> Vec<u32> {
    (0..SECONDS).filter(|i| !gone.contains(i)).collect()
}

fn edge(second: u32, kind: Kind, left: &[u8]) -> Edge {
    Edge { second, kind, plain: left.to_vec().into() }
}

#[tokio::test]
async fn what_is_shredded_opens_no_more_in_any_kind_and_all_else_does() {
    let house = House::local().await;
    let vault = house.open().await;
    let (acme, id) = recorded(&vault, &house).await;
    let object = Path::from(format!("recordings/acme/{id}.caveat"));
    let before = house.store.get(&object).await.unwrap().bytes().await.unwrap();
    cut(&vault, &acme, id, (0, 3..5), Taken::ForEver).await.unwrap();
    cut(&vault, &acme, id, (0, 5..6), Taken::ForEver).await.unwrap();
    drop(vault);
    let vault = house.open().await;
    let reader = vault.reader(&acme, id).await.unwrap();
    for kind in Kind::ALL {
        assert_eq!(opens(&reader, 0, kind).await, without(3..6), "{kind}");
        assert_eq!(opens(&reader, 1, kind).await, without(0..0), "{kind}");
    }
    let verified = reader.verify().await.unwrap();
    assert_eq!((verified.frames, verified.shredded, verified.patched), (72, 9, 0));
    let after = house.store.get(&object).await.unwrap().bytes().await.unwrap();
    assert_eq!(before, after, "the object is not touched");
    assert!(vault.masks(&acme, id).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_survives_at_the_edges_is_read_from_a_patch() {
    let house = House::local().await;
    let vault = house.open().await;
    let (acme, id) = recorded(&vault, &house).await;
    let reader = vault.reader(&acme, id).await.unwrap();
    let edges = vec![edge(2, Kind::Audio, b"left of two"), edge(5, Kind::Audio, b"left of five")];
    let number =
        vault.redact(&reader, &[Cut { leg: 1, seconds: 2..6, edges }], Taken::ForEver).await.unwrap();
    assert_eq!(number, 1);
    // A reader from before has other keys than the recording: what it would leave over may be wrong by now.
    let again = vault.redact(&reader, &[Cut { leg: 1, seconds: 0..1, edges: vec![] }], Taken::ForEver).await;
    assert!(matches!(again, Err(VaultError::Contended { .. })));

    let reader = vault.reader(&acme, id).await.unwrap();
    assert_eq!(opens(&reader, 1, Kind::Audio).await, [0, 1, 2, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(opens(&reader, 1, Kind::Transcript).await, without(2..6), "nothing of it was to survive");
    assert_eq!(reader.read(1, 5, Kind::Audio).await.unwrap().as_slice(), b"left of five");
    let verified = reader.verify().await.unwrap();
    assert_eq!((verified.shredded, verified.patched), (12, 2));

    // A later redaction takes an edge of the first with it.
    let edges = vec![edge(6, Kind::Audio, b"left of six")];
    vault.redact(&reader, &[Cut { leg: 1, seconds: 5..7, edges }], Taken::ForEver).await.unwrap();
    let reader = vault.reader(&acme, id).await.unwrap();
    assert_eq!(opens(&reader, 1, Kind::Audio).await, [0, 1, 2, 6, 7, 8, 9, 10, 11]);
    assert_eq!(reader.verify().await.unwrap().patched, 2);

    // A patch that was changed, cut or taken away is found out.
    let patch = Path::from(format!("patches/acme/{id}/1.patch"));
    let whole = house.store.get(&patch).await.unwrap().bytes().await.unwrap().to_vec();
    for bit in (0..whole.len() * 8).step_by(7) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        house.store.put(&patch, PutPayload::from(flipped)).await.unwrap();
        assert!(matches!(reader.read(1, 2, Kind::Audio).await, Err(VaultError::Damaged { .. })), "bit {bit}");
    }
    house.store.put(&patch, PutPayload::from(whole[..whole.len() - 1].to_vec())).await.unwrap();
    assert!(reader.verify().await.is_err());
    house.store.delete(&patch).await.unwrap();
    assert!(reader.verify().await.is_err());

    // With the recording, its patches go.
    vault.destroy(&acme, id).await.unwrap();
    assert!(house.store.head(&Path::from(format!("patches/acme/{id}/2.patch"))).await.is_err());
}

#[tokio::test]
async fn what_is_masked_comes_back_as_it_was() {
    let house = House::local().await;
    let vault = house.open().await;
    let (acme, id) = recorded(&vault, &house).await;
    let reader = vault.reader(&acme, id).await.unwrap();
    let edges = vec![edge(7, Kind::Audio, b"left of seven")];
    let number =
        vault.redact(&reader, &[Cut { leg: 0, seconds: 4..8, edges }], Taken::ToEscrow).await.unwrap();
    let masks = vault.masks(&acme, id).await.unwrap();
    assert_eq!(masks, [Mask { number, hides: vec![(0, 4..8)] }]);
    let reader = vault.reader(&acme, id).await.unwrap();
    assert_eq!(opens(&reader, 0, Kind::Audio).await, [0, 1, 2, 3, 7, 8, 9, 10, 11]);
    drop(vault);
    let vault = house.open().await;
    vault.unmask(&acme, id, number).await.unwrap();
    let reader = vault.reader(&acme, id).await.unwrap();
    for index in 0..SECONDS {
        assert_eq!(*reader.read(0, index, Kind::Audio).await.unwrap(), second(0, index));
    }
    let verified = reader.verify().await.unwrap();
    assert_eq!((verified.shredded, verified.patched), (0, 0));
    assert!(matches!(vault.unmask(&acme, id, number).await, Err(VaultError::NoSuchMask { .. })));
}

#[tokio::test]
async fn lifting_a_mask_shows_neither_what_was_shredded_nor_what_another_mask_hides() {
    let house = House::local().await;
    let vault = house.open().await;
    let (acme, id) = recorded(&vault, &house).await;
    let redact = async |seconds: Range<u32>, left: Option<u32>, taken| {
        let reader = vault.reader(&acme, id).await.unwrap();
        let edges = left.map(|second| edge(second, Kind::Audio, b"left")).into_iter().collect();
        vault.redact(&reader, &[Cut { leg: 0, seconds, edges }], taken).await.unwrap()
    };
    let shows = async || {
        let reader = vault.reader(&acme, id).await.unwrap();
        reader.verify().await.unwrap();
        let mut shows = vec![];
        for index in opens(&reader, 0, Kind::Audio).await {
            let left = reader.read(0, index, Kind::Audio).await.unwrap().as_slice() == b"left";
            shows.push((index, left));
        }
        shows
    };
    let first = redact(1..6, Some(5), Taken::ToEscrow).await;
    let second = redact(5..9, None, Taken::ToEscrow).await;
    redact(2..4, Some(3), Taken::ForEver).await;
    let plain = |seconds: &[u32]| seconds.iter().map(|s| (*s, false)).collect::<Vec<_>>();
    assert_eq!(shows().await, [plain(&[0]), vec![(3, true)], plain(&[9, 10, 11])].concat());
    vault.unmask(&acme, id, first).await.unwrap();
    assert_eq!(shows().await, [plain(&[0, 1]), vec![(3, true)], plain(&[4, 9, 10, 11])].concat());
    vault.unmask(&acme, id, second).await.unwrap();
    assert_eq!(shows().await, [plain(&[0, 1]), vec![(3, true)], plain(&[4, 5, 6, 7, 8, 9, 10, 11])].concat());

    // And with the recording, what is in escrow goes.
    redact(9..10, None, Taken::ToEscrow).await;
    assert_eq!(house.page_keys().await.len(), 2, "an escrow has a page of its own");
    vault.destroy(&acme, id).await.unwrap();
    assert!(house.page_keys().await.is_empty());
    assert!(vault.masks(&acme, id).await.unwrap().is_empty());
}

/// Nothing in the files of the database tells what the keys were: neither its free pages nor its log of changes.
#[tokio::test]
async fn replaced_keys_are_gone_from_the_files_of_the_database() {
    if std::env::var_os("CAVEAT_TEST_POSTGRES").is_some() {
        // A server has files of its own, and keeps what was deleted until `VACUUM` (`FORMAT.md`).
        return;
    }
    let house = House::local().await;
    let vault = house.open().await;
    let (acme, id) = recorded(&vault, &house).await;
    let (other_client, other) = recorded(&vault, &house).await;
    let cover = async |id: RecordingId| -> Vec<u8> {
        let row = sqlx::query_scalar("SELECT cover FROM vault_recording WHERE recording = $1");
        row.bind(id.to_string()).fetch_one(house.whole().await.common()).await.unwrap()
    };
    let old = [house.page_keys().await, vec![cover(id).await, cover(other).await]].concat();
    for bytes in &old {
        assert!(!house.files_with(bytes).is_empty(), "the search finds what is there");
    }
    cut(&vault, &acme, id, (0, 2..9), Taken::ForEver).await.unwrap();
    for bytes in &old {
        assert_eq!(house.files_with(bytes), Vec::<String>::new());
    }
    assert_eq!(
        *vault.reader(&other_client, other).await.unwrap().read(0, 3, Kind::Audio).await.unwrap(),
        second(0, 3)
    );
}

#[tokio::test]
async fn what_cannot_be_cut_is_refused_and_changes_nothing() {
    let house = House::in_memory().await;
    let vault = house.open().await;
    let (acme, id) = recorded(&vault, &house).await;
    let reader = vault.reader(&acme, id).await.unwrap();
    let refused = async |seconds: Range<u32>, left: Option<u32>| {
        let edges = left.map(|second| edge(second, Kind::Audio, b"left")).into_iter().collect();
        vault.redact(&reader, &[Cut { leg: 0, seconds, edges }], Taken::ForEver).await.unwrap_err()
    };
    assert!(matches!(refused(0..(1 << 17) + 1, None).await, VaultError::TooLarge { .. }));
    assert!(matches!(refused(3..5, Some(5)).await, VaultError::NotCut { .. }));
    assert_eq!(vault.reader(&acme, id).await.unwrap().verify().await.unwrap().shredded, 0);
    let open = house.id();
    let _writer = vault.begin(&acme, open, two_legs()).await.unwrap();
    assert!(matches!(vault.reader(&acme, open).await, Err(VaultError::NotSealed { .. })));
}
