//! Versions of a client's key, in a file and in a key service: what was destroyed before the old one ended opens with no copy
//! of the database.
#![allow(clippy::unwrap_used, reason = "tests")]

mod house;
mod services;

use std::sync::Arc;

use caveat_vault::{
    AwsKms, AwsKmsConfig, KeySource, Keyring, Kind, Opener, SealReason, Suite, Taken, Transit, TransitConfig,
    VaultError,
};
use house::{House, client, cut, second, two_legs};
use services::{Bao, Moto, TOKEN};
use zeroize::Zeroizing;

/// A recording of two seconds of each leg, sealed.
async fn sealed(vault: &caveat_vault::Vault, id: caveat_model::RecordingId) {
    let writer = vault.begin(&client("acme"), id, two_legs()).await.unwrap();
    for (leg, index) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        writer.append(leg, index, Kind::Audio, &second(leg, index)).await.unwrap();
    }
    writer.seal(SealReason::Ended).await.unwrap();
}

/// Rotation from end to end, with any source of keys.
async fn rotates(mut house: House, keys: Arc<dyn KeySource>) {
    house.keys = Some(keys.clone());
    let (acme, [kept, gone]) = (client("acme"), [house.id(), house.id()]);
    let vault = house.open().await;
    sealed(&vault, kept).await;
    sealed(&vault, gone).await;
    let detail = vault.seal_detail(&acme, "facts", b"who it was").await.unwrap();
    let opener = vault.opener();
    let before = opener.key_status(&acme).await.unwrap();
    assert_eq!(
        (before.versions.as_slice(), before.wrapped.get(&1)),
        (&[1][..], Some(&2)),
        "a page, a secret"
    );

    // Yesterday's backup.
    let backup = house.path("backup.db");
    house.copy_database(&backup).await;
    cut(&vault, &acme, gone, (0, 0..1), Taken::ForEver).await.unwrap();

    // The newest version stays, and so does one that still wraps something.
    for version in [1, 2] {
        let early = opener.destroy_key_versions(&acme, version + 1).await;
        assert!(matches!(early, Err(VaultError::KeyInUse { .. })));
    }
    assert_eq!(opener.rotate_key(&acme).await.unwrap(), 2);
    let in_use = opener.destroy_key_versions(&acme, 2).await.unwrap_err().to_string();
    assert!(in_use.contains("still wrap 2 keys"), "{in_use}");
    // What is wrapped meanwhile is wrapped by the new one; the rest follows, a few at a time.
    let during = house.id();
    sealed(&vault, during).await;
    let mut steps = 0;
    while opener.rewrap(&acme, 1).await.unwrap() > 0 {
        steps += 1;
    }
    assert_eq!(steps, 2);
    let after = opener.key_status(&acme).await.unwrap();
    assert_eq!((after.versions.as_slice(), after.wrapped.get(&1)), (&[1, 2][..], None));

    // With the old version, the backup opens what was shredded since: that is the horizon.
    let from_backup = async |keys: Arc<dyn KeySource>| {
        let db = caveat_state::Db::open_file(&backup).await.unwrap();
        let limits = caveat_vault::Limits::default();
        let opener = Opener::open(limits, db, house.store.clone(), keys, house.clock()).await.unwrap();
        let reader = opener.reader(&acme, gone).await?;
        reader.read(0, 0, Kind::Audio).await
    };
    assert_eq!(from_backup(keys.clone()).await.unwrap().as_slice(), second(0, 0));
    opener.destroy_key_versions(&acme, 2).await.unwrap();
    let dark = from_backup(keys.clone()).await.unwrap_err();
    assert!(matches!(dark, VaultError::Unwrap { .. }), "{dark}");
    assert_eq!(keys.versions(&acme).unwrap(), [2]);

    // And everything that is left opens, in this process and in the next.
    drop(vault);
    let vault = house.open().await;
    for id in [kept, gone, during] {
        let reader = vault.reader(&acme, id).await.unwrap();
        assert_eq!(reader.read(1, 1, Kind::Audio).await.unwrap().as_slice(), second(1, 1));
        reader.verify().await.unwrap();
    }
    assert!(vault.reader(&acme, gone).await.unwrap().read(0, 0, Kind::Audio).await.is_err());
    assert_eq!(vault.open_detail(&acme, "facts", &detail).await.unwrap().as_slice(), b"who it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_backup_goes_dark_when_the_old_version_in_the_keyring_is_destroyed() {
    for passphrase in [None, Some("correct horse")] {
        let house = House::local().await;
        let keys = Arc::new(Keyring::open(house.path("ring"), passphrase).unwrap());
        rotates(house, keys).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_backup_goes_dark_when_openbao_trims_the_key() {
    let Some(bao) = Bao::start() else { return };
    let house = House::local().await;
    let keys: Arc<dyn KeySource> = Arc::new(transit(&bao, TOKEN));
    let acme = client("acme");
    assert!(keys.versions(&acme).unwrap().is_empty());
    rotates(house, keys.clone()).await;

    // A wrapped key is good for its client only, and not when a letter of it is another.
    let wrapped = keys.wrap(&acme, Suite::default(), b"page").unwrap();
    assert!(wrapped.starts_with(b"vault:v2:"));
    keys.wrap(&client("other"), Suite::default(), b"page").unwrap();
    let mut altered = wrapped.clone();
    let place = altered.len() - 6;
    altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
    for (whose, bytes) in [("other", &wrapped), ("acme", &altered)] {
        let refused = keys.unwrap_key(&client(whose), bytes).unwrap_err();
        assert!(matches!(refused, VaultError::Unwrap { .. }), "{refused}");
    }

    // Without a good token, and without a server, it says what to see to.
    let wrong = transit(&bao, "wrong-token");
    let refused = wrong.wrap(&acme, Suite::default(), b"page").unwrap_err().to_string();
    assert!(refused.contains("403") && refused.contains("what this host may do there"), "{refused}");
    assert!(!refused.contains("wrong-token"), "{refused}");
    drop(bao);
    let gone = keys.unwrap_key(&acme, &wrapped).unwrap_err().to_string();
    assert!(gone.contains("see that it runs"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_backup_goes_dark_when_kms_is_told_to_delete_the_key() {
    let Some(moto) = Moto::start() else { return };
    let keys: Arc<dyn KeySource> = Arc::new(kms(&moto, &moto.secret));
    let acme = client("acme");
    assert!(keys.versions(&acme).unwrap().is_empty());
    rotates(House::local().await, keys.clone()).await;
    let wrapped = keys.wrap(&acme, Suite::default(), b"page").unwrap();
    keys.wrap(&client("other"), Suite::default(), b"page").unwrap();
    let [mut moved, mut altered] = [wrapped.clone(), wrapped.clone()];
    *altered.last_mut().unwrap() ^= 1;
    moved[..4].copy_from_slice(&1u32.to_be_bytes());
    for (whose, bytes) in [("other", &moved), ("acme", &altered)] {
        assert!(keys.unwrap_key(&client(whose), bytes).is_err(), "{whose}");
    }
    // What is signed with another secret is refused.
    let refused =
        kms(&moto, "another-secret").wrap(&acme, Suite::default(), b"page").unwrap_err().to_string();
    assert!(refused.contains("what this host may do there") && !refused.contains("another"), "{refused}");
    drop(moto);
    let gone = keys.unwrap_key(&acme, &wrapped).unwrap_err().to_string();
    assert!(gone.contains("see that it runs"), "{gone}");
}

fn transit(bao: &Bao, token: &str) -> Transit {
    Transit::new(TransitConfig::at(&bao.url), Zeroizing::new(token.to_owned())).unwrap()
}

fn kms(moto: &Moto, secret: &str) -> AwsKms {
    let config = AwsKmsConfig {
        region: "us-east-1".into(),
        endpoint: Some(moto.url.clone()),
        prefix: "caveat/".into(),
        pending_days: 7,
        answer_ms: 30_000,
    };
    AwsKms::new(config, &moto.access_key, secret, None).unwrap()
}
