//! Calls that are announced before they come.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "not every test needs all of it")]
mod house;

use std::sync::Arc;

use caveat_model::{ClientId, ManualClock, Moment};
use caveat_recorder::{Announced, AnnouncedStream, Arrived, Limits, NewCall, NewParty};
use house::House;
use uuid::Uuid;

fn stream(n: u128, leg: u8) -> AnnouncedStream {
    AnnouncedStream { id: Uuid::from_u128(n), leg, plays: leg == 1 }
}

async fn announce(announced: &Announced, streams: &[AnnouncedStream]) -> Result<(), String> {
    let acme: ClientId = "acme".parse().unwrap();
    let party = NewParty { number: Some("+12125550104".into()), ..NewParty::default() };
    let call = NewCall { parties: vec![party], ..NewCall::default() };
    announced.announce(&acme, call, streams).await.map_err(|e| e.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_comes_once_and_not_too_late_and_a_restart_forgets_none() {
    let clock = Arc::new(ManualClock::new(Moment::from_millis(1_000_000)));
    let mut house = House::new();
    house.clock = clock.clone();
    house.limits = Limits { announced_max: 3, announced_ms: 1_000, ..Limits::default() };
    let open = house.open(&[]).await;
    let announced = open.recorder.announced();
    announce(announced, &[stream(1, 0), stream(2, 1)]).await.unwrap();
    assert!(announce(announced, &[]).await.is_err());
    assert!(announce(announced, &[stream(2, 0)]).await.is_err());
    assert!(announce(announced, &[stream(3, 0), stream(3, 1)]).await.is_err());
    assert!(announce(announced, &[stream(3, 0), stream(4, 1)]).await.unwrap_err().contains("the limit is 3"));
    announce(announced, &[stream(3, 0)]).await.unwrap();
    let Arrived { client, call, leg, plays } = announced.take(Uuid::from_u128(2)).await.unwrap();
    assert_eq!((client, call.external_id), (house.client.clone(), Uuid::from_u128(1).to_string()));
    assert_eq!((leg, plays), (1, true));
    assert!(announced.take(Uuid::from_u128(2)).await.is_none());
    drop(open);

    // What lies in the database names nobody.
    for file in std::fs::read_dir(house.dir.path()).unwrap().map(|file| file.unwrap().path()) {
        let bytes = if file.is_file() { std::fs::read(&file).unwrap() } else { vec![] };
        assert!(!bytes.windows(10).any(|part| part == b"2125550104"), "{}", file.display());
    }
    let open = house.open(&[]).await;
    let announced = open.recorder.announced();
    assert!(announced.take(Uuid::from_u128(2)).await.is_none(), "it has come");
    let Arrived { call, leg, plays, .. } = announced.take(Uuid::from_u128(3)).await.unwrap();
    assert_eq!((call.parties[0].number.as_deref(), leg, plays), (Some("+12125550104"), 0, false));
    clock.set(Moment::from_millis(1_001_000));
    assert!(announced.take(Uuid::from_u128(1)).await.is_none(), "too late");
    announce(announced, &[stream(1, 0), stream(2, 0)]).await.unwrap();
    assert!(announced.take(Uuid::from_u128(2)).await.is_some(), "announced anew");
}
