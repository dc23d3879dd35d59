//! A host with recordings, and people who sign in at its console.

use caveat_tests::{
    chromium::Chromium,
    host::{Host, free_port},
    house::{CLIENT, House},
    people::{PASSWORD, code},
    provider::{Provider, SECRET},
};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 5000

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality", "training"]
can-pause = true
dispose-after-days = 90

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
settings = { options = ["pa-5704-15"] }

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"

[[client.pack]]
file = "PACKS/agent-standards-0.1.0.wasm"
settings = { required = [], forbidden = [{ id = "3 promises", say = ["we send another"], keep-nothing-s = 0 }] }
"#;

const CARDS: &str = "file = \"PACKS/pci-dss-0.1.0.wasm\"\n";

/// A host that is told where browsers reach it.
fn configured(config: &str) -> anyhow::Result<Host> {
    let host = Host::prepare(config)?;
    let file = host.dir().join("caveat.toml");
    let text = std::fs::read_to_string(&file)?;
    let url = host.url.replace("127.0.0.1", "localhost");
    std::fs::write(&file, format!("{text}\n[http]\npublic-url = \"{url}\"\n"))?;
    Ok(host)
}

/// A running host with people of every kind.
pub(crate) fn start() -> anyhow::Result<House> {
    start_as(CONFIG)
}

/// The same, where the client's assessor takes a passkey that verified its owner for two factors (PCI DSS 8.4.1).
pub(crate) fn start_with_verified_passkeys() -> anyhow::Result<House> {
    let settings = format!("{CARDS}settings = {{ verified-passkey-is-mfa = true }}\n");
    start_as(&CONFIG.replace(CARDS, &settings))
}

/// The same, where recordings are due at once, and a pack leaves to people whether they go.
pub(crate) fn start_where_people_decide() -> anyhow::Result<House> {
    let health = "\n[[client.pack]]\nfile = \"PACKS/hipaa-hitech-0.1.0.wasm\"\n";
    let soon = "[limits.retention]\nsweep_every_ms = 200\n";
    let config = CONFIG.replace("dispose-after-days = 90", "dispose-after-days = 0");
    start_as(&format!("{soon}{config}{health}"))
}

/// The same, where what packs hide stays there, and is silent to whoever may not hear it.
pub(crate) fn start_where_sound_is_silenced() -> anyhow::Result<House> {
    start_as(&CONFIG.replace("can-pause = true", "can-pause = true\nafter-call = \"silence\""))
}

/// The same, where the desktop of this origin shows agents their calls.
pub(crate) fn start_in_a_desktop(origin: &str) -> anyhow::Result<House> {
    start_as(&format!("{CONFIG}\n[console]\nagent-frame-ancestors = [\"{origin}\"]\n"))
}

/// The same, where an identity provider vouches for people.
pub(crate) fn start_with_provider() -> anyhow::Result<(House, Provider)> {
    let port = free_port()?;
    let host = configured(&(without_cards() + &Provider::config(port)))?;
    std::fs::write(host.dir().join("provider-secret"), SECRET)?;
    let redirect = format!("{}/v1/session/oidc/callback", host.url.replace("127.0.0.1", "localhost"));
    let provider = Provider::start(port, &redirect)?;
    Ok((House::of(host, &[("sam", "supervisor")])?, provider))
}

fn without_cards() -> String {
    CONFIG.replace(&format!("[[client.pack]]\n{CARDS}"), "")
}

fn start_as(config: &str) -> anyhow::Result<House> {
    let people = [
        ("cora", "compliance"),
        ("dan", "compliance"),
        ("sam", "supervisor"),
        ("tom", "trainer"),
        ("ada", "admin"),
        ("ivy", "integrator"),
        ("al", "agent"),
    ];
    House::of(configured(config)?, &people)
}

/// As browsers reach it.
pub(crate) fn url(house: &House) -> String {
    house.host.url.replace("127.0.0.1", "localhost")
}

/// Somebody signs in at the console.
pub(crate) async fn sign_in(browser: &Chromium, house: &House, person: &str) -> anyhow::Result<()> {
    browser.open(&url(house)).await?;
    browser.fill("[name=client]", CLIENT).await?;
    browser.fill("[name=person]", person).await?;
    browser.fill("[name=password]", PASSWORD).await?;
    browser.fill("[name=code]", &code(house.secret(person)?, 0)?).await?;
    browser.click(&browser.button("Sign in").await?).await?;
    browser.find("[aria-label='Sign out']").await.map(drop)
}

/// Goes to a page of the console.
pub(crate) async fn go(browser: &Chromium, page: &str) -> anyhow::Result<()> {
    browser.run(&format!("location.hash = '#/{page}'")).await?;
    browser.find("main h1").await.map(drop)
}
