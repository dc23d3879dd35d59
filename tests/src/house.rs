//! What most tests of the whole path begin with: a host with one client, a phone system, people, and a call that the rules
//! allow to be recorded.

use anyhow::Context;

use crate::{
    host::Host,
    people::{Heard, Person, code},
    through::Terminal,
    twilio::Script,
    watch::until,
};

/// The client.
pub const CLIENT: &str = "acme";

/// A running host, and who may use it.
pub struct House {
    /// The host.
    pub host: Host,
    /// The phone system's token.
    pub token: String,
    secrets: Vec<(&'static str, String)>,
}

impl House {
    /// Starts a host, with people (id and role) of its client `acme`.
    pub fn start(config: &str, people: &[(&'static str, &str)]) -> anyhow::Result<Self> {
        Self::of(Host::prepare(config)?, people)
    }

    /// Likewise, of a host that is configured and does not run yet.
    pub fn of(mut host: Host, people: &[(&'static str, &str)]) -> anyhow::Result<Self> {
        let token = host.token(CLIENT)?;
        let enroll = |(id, role): &(&'static str, &str)| Ok((*id, host.enroll(CLIENT, id, role, "")?));
        let secrets = people.iter().map(enroll).collect::<anyhow::Result<_>>()?;
        host.start()?;
        Ok(Self { host, token, secrets })
    }

    /// The secret of somebody's second factor.
    pub fn secret(&self, id: &str) -> anyhow::Result<&str> {
        let found = self.secrets.iter().find(|(known, _)| *known == id);
        Ok(&found.with_context(|| format!("{id} is nobody here"))?.1)
    }

    /// Somebody at a terminal. A code is good once, a session lasts: once for each person.
    pub fn terminal(&self, id: &str) -> anyhow::Result<Terminal> {
        Terminal::sign_in(&self.host, CLIENT, id, self.secret(id)?)
    }

    /// Somebody at the API; once for each person, too.
    pub async fn person(&self, id: &str) -> anyhow::Result<Person> {
        Person::sign_in(&self.host.url, CLIENT, id, &code(self.secret(id)?, 0)?).await
    }
}

/// A call that all parties are told of or that needs no notice: one-party consent on both sides.
pub fn call(id: &str) -> Script {
    Script::new(id, &[("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")])
}

/// Samples of which no stretch is like another, and none is silent.
pub fn noise(ms: u32, mut state: u32) -> Vec<i16> {
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        2_000 + (state >> 20) as i16
    };
    std::iter::repeat_with(next).take(ms as usize * 8).collect()
}

/// The ids of so many sealed recordings, in their order, once they are there.
pub async fn sealed(person: &Person, count: usize) -> anyhow::Result<Vec<String>> {
    until("they are sealed", async || {
        let listed = person.recordings("quality").await?;
        let sealed = listed.into_iter().filter(|(_, state)| state == "sealed");
        let mut ids: Vec<String> = sealed.map(|(id, _)| id).collect();
        ids.sort();
        Ok((ids.len() == count).then_some(ids))
    })
    .await
}

/// What somebody hears who may: the samples of each leg.
pub async fn heard(person: &Person, id: &str) -> anyhow::Result<Vec<Vec<i16>>> {
    match person.play(id, "quality").await? {
        Heard::Sound(channels, _) => Ok(channels),
        Heard::Refused(why) => anyhow::bail!("it may not be heard: {why}"),
    }
}
