//! TLS on the listening socket, certificates that are replaced while the host runs, machines that show one.

use std::{path::Path, time::Duration};

use caveat_tests::{browser::Browser, host::Host, watch::until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use reqwest::{Certificate, Client, ClientBuilder, Identity, StatusCode, redirect};

use crate::house::{CLIENTS, both_factors, now};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, in PEM.
fn certificate(authority: &Authority, names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.subject_alt_names.retain(|name| !matches!(name, SanType::Rfc822Name(_)));
    let made = params.signed_by(&key, authority).unwrap();
    (made.pem(), key.serialize_pem())
}

fn write(dir: &Path, name: &str, (certificate, key): (String, String)) {
    std::fs::write(dir.join(format!("{name}.pem")), certificate).unwrap();
    std::fs::write(dir.join(format!("{name}.key")), key).unwrap();
}

fn trusting(authority: &Authority) -> ClientBuilder {
    let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    Client::builder().tls_certs_only([root]).redirect(redirect::Policy::none())
}

fn showing(authority: &Authority, (certificate, key): (String, String)) -> Client {
    let identity = Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap();
    trusting(authority).identity(identity).build().unwrap()
}

const HTTPS: &str = r#"
[limits.http]
certificate_check_s = 1

[http.tls]
certificate = "host.pem"
key = "host.key"
client-authority = "machines.pem"

[[http.machine]]
name = "sidecar-east"
certificate = "sidecar-east.acme.example"
client = "acme"
scopes = ["read-api"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_host_speaks_tls_and_knows_machines_by_their_certificates() {
    let (trusted, machines, strange) = (authority(), authority(), authority());
    let mut host = Host::prepare(&format!("{HTTPS}{CLIENTS}")).unwrap();
    let plain = host.url.clone();
    host.url = plain.replace("http:", "https:");
    let url = host.url.clone();
    write(host.dir(), "host", certificate(&trusted, &["127.0.0.1", "localhost"]));
    std::fs::write(host.dir().join("machines.pem"), machines.pem()).unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    let token = host.token("acme").unwrap();
    host.start().unwrap();

    // People: no certificate, and a cookie that only TLS carries.
    let mut kim = Browser::with(trusting(&trusted).build().unwrap());
    let signed_in = kim.post(&format!("{url}/v1/session"), &both_factors("acme", "kim", &now(&secret))).await;
    assert_eq!(signed_in.unwrap().status(), StatusCode::CREATED);
    let session = kim.cookie(&url, "__Host-caveat").unwrap();
    assert_eq!(kim.set, [format!("__Host-caveat={session}; Path=/; HttpOnly; SameSite=Strict; Secure")]);
    assert!(
        Client::new().get(format!("{plain}/healthz")).send().await.is_err(),
        "nothing is served in the clear"
    );
    let distrusting = trusting(&strange).build().unwrap();
    assert!(distrusting.get(format!("{url}/healthz")).send().await.is_err());

    // Machines: what their certificate says, as far as the configuration goes.
    let calls = async |client: &Client| client.get(format!("{url}/v1/calls")).send().await;
    let known = showing(&trusted, certificate(&machines, &["sidecar-east.acme.example"]));
    assert_eq!(calls(&known).await.unwrap().status(), StatusCode::OK);
    let beyond = known.post(format!("{url}/v1/calls/CA1/events")).json(&"resume-asked").send().await.unwrap();
    assert_eq!(beyond.status(), StatusCode::FORBIDDEN, "it has no such scope");
    let person = known.get(format!("{url}/v1/recordings?purpose=quality")).send().await.unwrap();
    assert_eq!(person.status(), StatusCode::UNAUTHORIZED, "a machine is nobody");
    let unknown = showing(&trusted, certificate(&machines, &["sidecar-west.acme.example"]));
    assert_eq!(calls(&unknown).await.unwrap().status(), StatusCode::FORBIDDEN, "it is in no configuration");
    let forged = showing(&trusted, certificate(&strange, &["sidecar-east.acme.example"]));
    assert!(calls(&forged).await.is_err(), "another authority's");
    let nobody = trusting(&trusted).build().unwrap();
    assert_eq!(calls(&nobody).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let by_token = nobody.get(format!("{url}/v1/calls")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(by_token.status(), StatusCode::OK);

    // A certificate that cannot be used is not taken up; one that can is, without a restart.
    std::fs::write(host.dir().join("host.pem"), "no certificate").unwrap();
    until("the host says that it cannot use the file", async || {
        Ok(host.log().contains("cannot be used").then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(calls(&known).await.unwrap().status(), StatusCode::OK);
    let renewed = authority();
    write(host.dir(), "host", certificate(&renewed, &["127.0.0.1"]));
    until("the new certificate is served", async || {
        let fresh = trusting(&renewed).timeout(Duration::from_secs(5)).build()?;
        Ok(fresh.get(format!("{url}/healthz")).send().await.is_ok().then_some(()))
    })
    .await
    .unwrap();
    host.stop().unwrap();
}
