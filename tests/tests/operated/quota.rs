//! What a client's packs may take of the host's time.

use caveat_tests::{
    host::Host,
    people::{Person, code},
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
        let name = format!("caveat_rulings_over_quota_total{{client=\"{client}\"}}");
        Ok::<_, anyhow::Error>(metrics(&host).await?.contains(&name))
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
