//! A backup of a running host, restored into an empty place: the log verifies, recordings play, and what was shredded stays so.

use std::fs;

use caveat_tests::{
    host::Host,
    house::{CLIENT, House, call, heard, noise, sealed},
    people::{Person, code, loudness},
    postgres::Postgres,
    twilio::CUSTOMER,
};

use crate::CONFIG;

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_host_is_whole_and_what_was_shredded_stays_so() {
    let mut house = House::start(CONFIG, &[("ann", "compliance"), ("ben", "compliance")]).unwrap();
    let [ann, ben] = ["ann", "ben"].map(|id| house.terminal(id).unwrap());
    let person = ann.person();
    let mut script = call("CA1");
    script.sound(CUSTOMER, &noise(6_000, 1));
    script.play(&house.host.url, &house.token).await.unwrap();
    let id = sealed(&person, 1).await.unwrap().remove(0);
    let args =
        ["recording", "redact", &id, "--span", "00:00:02-00:00:04", "--mode", "shred", "--reason", "test"];
    let request = ann.json(&args).unwrap()["id"].to_string();
    ben.json(&["request", "confirm", &request]).unwrap();
    let before = heard(&person, &id).await.unwrap();

    // Another call runs, and the log goes on, while the copy is made.
    let mut script = call("CA2");
    script.sound(CUSTOMER, &noise(8_000, 2));
    let (url, token) = (house.host.url.clone(), house.token.clone());
    let running = tokio::spawn(async move { script.play(&url, &token).await });
    let backup = house.host.dir().join("backup");
    let (backup, place) = (backup.to_str().unwrap(), house.host.dir().join("elsewhere"));
    house.host.command(&["backup", backup], "").unwrap();
    let (code_again, said) = house.host.outcome(&["backup", backup]).unwrap();
    assert!(code_again == 1 && said.contains("not empty"), "{said}");
    running.await.unwrap().unwrap();
    sealed(&person, 2).await.unwrap();
    assert_eq!(house.host.stop().unwrap(), 0);

    let place = place.to_str().unwrap();
    house.host.command(&["restore", backup, "--to", place], "").unwrap();
    let (code_again, said) = house.host.outcome(&["restore", backup, "--to", place]).unwrap();
    assert!(code_again == 1 && said.contains("not empty"), "{said}");
    let mut restored = Host::of_folder(place.as_ref(), &house.host.url);
    restored.start().unwrap();
    let secret = house.secret("ann").unwrap();
    let person = Person::sign_in(&restored.url, CLIENT, "ann", &code(secret, 1).unwrap()).await.unwrap();
    let after = heard(&person, &id).await.unwrap();
    assert_eq!(after, before, "the recording is another one");
    let leg = after.iter().max_by_key(|leg| loudness(leg, 0, 1_500)).unwrap();
    assert_eq!(loudness(leg, 2_500, 3_500), 0, "what was shredded is back");
    assert!(loudness(leg, 500, 1_500) > 1_000 && loudness(leg, 5_000, 5_500) > 1_000);
    // The call that ran then was cut short by the copy, as by a crash, and a new one goes on in the same log.
    let mut script = call("CA3");
    script.sound(CUSTOMER, &noise(1_500, 3));
    script.play(&restored.url, &house.token).await.unwrap();
    let listed = person.recordings("quality").await.unwrap();
    assert!(listed.len() >= 2, "{listed:?}");
    assert_eq!(restored.stop().unwrap(), 0);
    let log = restored.audit(CLIENT, "bundle").unwrap();
    assert!(log.contains("host-started"), "{log}");
}

#[test]
fn a_backup_that_was_touched_is_not_restored() {
    let host = Host::prepare(CONFIG).unwrap();
    host.token("acme").unwrap();
    let backup = host.dir().join("backup");
    host.command(&["backup", backup.to_str().unwrap()], "").unwrap();
    let file = backup.join("data/state.db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[5_000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let place = host.dir().join("elsewhere");
    let (code, said) =
        host.outcome(&["restore", backup.to_str().unwrap(), "--to", place.to_str().unwrap()]).unwrap();
    assert!(code == 1 && said.contains("state.db is not what was backed up"), "{said}");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_the_tables_backs_up_postgresql_and_restores_it_for_the_hosts_role() {
    let Some(server) = Postgres::start().unwrap() else { return };
    let host = Host::prepare(&format!("database = \"{}\"\n{CONFIG}", server.url())).unwrap();
    server.migrate(&host).unwrap();
    let mut house = House::of(host, &[("ann", "compliance")]).unwrap();
    let person = house.person("ann").await.unwrap();
    let mut script = call("CA1");
    script.sound(CUSTOMER, &noise(2_000, 1));
    script.play(&house.host.url, &house.token).await.unwrap();
    let id = sealed(&person, 1).await.unwrap().remove(0);
    let before = heard(&person, &id).await.unwrap();

    let [backup, refused] =
        ["backup", "refused"].map(|name| house.host.dir().join(name).to_str().unwrap().to_owned());
    // The host's role sees the rows of no client that it does not name: it has no dump to give.
    let (code_of, said) = house.host.outcome(&["backup", &refused]).unwrap();
    assert!(code_of == 1 && said.contains("CAVEAT_DATABASE_OWNER"), "{said}");
    let owner = |database: &str| server.url_of("caveat_owner").replace("/calls", &format!("/{database}"));
    house.host.command(&["backup", &backup, "--owner", &owner("calls")], "").unwrap();
    assert_eq!(house.host.stop().unwrap(), 0);

    server.run("CREATE DATABASE again OWNER caveat_owner").unwrap();
    let place = house.host.dir().join("elsewhere");
    let (to, url) = (place.to_str().unwrap(), server.url().replace("/calls", "/again"));
    let restore = ["restore", &backup, "--to", to, "--database", &url, "--owner", &owner("again")];
    house.host.command(&restore, "").unwrap();
    let mut restored = Host::of_folder(&place, &house.host.url);
    restored.start().unwrap();
    let secret = house.secret("ann").unwrap();
    let person = Person::sign_in(&restored.url, CLIENT, "ann", &code(secret, 1).unwrap()).await.unwrap();
    assert_eq!(heard(&person, &id).await.unwrap(), before, "the recording is another one");
    assert_eq!(restored.stop().unwrap(), 0);
}
