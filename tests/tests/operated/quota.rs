//! What a client may take of the host: the time of its packs, and what it keeps.

use caveat_tests::{
    host::Host,
    house::{House, sealed},
    people::{Person, code},
    upload::upload,
    watch::until,
};

use crate::{CONFIG, metrics};

const OTHER: &str = r#"
[client.quota]
ruling-ms-per-second-max = 1

[[client]]
id = "globex"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn whose_packs_have_had_their_time_waits_and_others_do_not() {
    let mut host = Host::prepare(&format!("{CONFIG}{OTHER}")).unwrap();
    let secrets = ["acme", "globex"].map(|client| host.enroll(client, "cora", "compliance", "").unwrap());
    host.start().unwrap();
    let signed_in = async |client: &str, secret: &str| {
        Person::sign_in(&host.url, client, "cora", &code(secret, 0).unwrap()).await.unwrap()
    };
    let (acme, globex) = (signed_in("acme", &secrets[0]).await, signed_in("globex", &secrets[1]).await);
    let waited = async |client: &str| {
        let never = format!("caveat_rulings_over_quota_total{{client=\"{client}\"}} 0\n");
        Ok::<_, anyhow::Error>(!metrics(&host).await?.contains(&never))
    };
    // Every look at the list is ruled on.
    until("acme's packs have had their time", async || {
        acme.recordings("quality").await?;
        Ok(waited("acme").await?.then_some(()))
    })
    .await
    .unwrap();
    for _ in 0..30 {
        globex.recordings("quality").await.unwrap();
    }
    assert!(!waited("globex").await.unwrap());
    // Who waits is answered all the same.
    acme.recordings("quality").await.unwrap();
    assert_eq!(host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_as_much_as_they_may_begins_no_new_call() {
    let quota = "\n[client.quota]\nkept-bytes-max = 1\n";
    let house = House::start(&format!("{CONFIG}{quota}"), &[("cora", "compliance")]).unwrap();
    let cora = house.person("cora").await.unwrap();
    upload(&house, "CA1").await.unwrap();
    sealed(&cora, 1).await.unwrap();
    let refused = upload(&house, "CA2").await.unwrap_err().to_string();
    assert!(refused.contains("its quota is 1"), "{refused}");
    let counted = metrics(&house.host).await.unwrap();
    assert!(counted.contains("caveat_calls_over_quota_total{client=\"acme\"} 1"), "{counted}");
    let told = cora.asks("/v1/alerts", &[]).await.unwrap().text().await.unwrap();
    assert!(told.contains("host.quota"), "{told}");
}
