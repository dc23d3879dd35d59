//! Identity providers of clients (OpenID Connect Core 1.0, authorization code with PKCE and nonce).
//!
//! A provider says who somebody is; people and their roles stay here. Who its subject is among the client's people says one
//! claim, and the first sign-in binds the two, so that a name given to somebody else later opens nothing. Whether it saw a
//! second factor say `amr` and `acr` (RFC 8176), which the configuration names; else a second factor is asked for here.

mod exchange;

use std::{collections::BTreeSet, fmt, sync::Arc};

use caveat_model::{ClientId, Moment, PersonId};
use caveat_state::sql;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    Access, AccessError, Ceremony, NewSession, ProviderChoice,
    account::{Attempt, moment},
    factors::proven,
    session::Shown,
    token,
};

pub(crate) use exchange::Known;

/// An identity provider, as the configuration describes it.
#[derive(Clone)]
pub struct Provider {
    /// Whose people it knows.
    pub client: ClientId,
    /// In routes: lower-case letters, digits, hyphens.
    pub name: String,
    /// On the button.
    pub label: String,
    /// Its issuer identifier, an `https` URL (`http` on loopback only).
    pub issuer: String,
    /// What it calls this host.
    pub client_id: String,
    /// What this host proves itself with there; none: by PKCE alone.
    pub secret: Option<Zeroizing<String>>,
    /// Asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim whose value is the id of the person here.
    pub person_claim: String,
    /// Any of these in `amr` says that a second factor was shown there.
    pub second_factor_amr: BTreeSet<String>,
    /// Any of these as `acr` says so too; they are asked for.
    pub second_factor_acr: BTreeSet<String>,
}

/// Where to send a browser, and what to give it to come back with.
#[derive(Clone)]
pub struct Redirect {
    /// At the provider.
    pub url: String,
    /// For a cookie that only this browser has: nobody else can end what it began.
    pub binding: String,
}

/// What came of a sign-in at a provider.
#[derive(Debug)]
pub enum Federated {
    /// It vouched for two factors.
    Session(NewSession),
    /// It vouched for one. The second is to be shown here, with this.
    SecondFactor {
        /// Names the ceremony.
        ceremony: String,
    },
}

/// What has to be remembered until the provider sends the person back.
#[derive(Serialize, Deserialize)]
struct Asked {
    provider: String,
    nonce: String,
    pkce_verifier: String,
    binding_hash: Vec<u8>,
    fresh: bool,
}

/// Who was vouched for, until a second factor is shown.
#[derive(Serialize, Deserialize)]
struct Vouched {
    at_ms: u64,
}

impl Access {
    /// Begins a sign-in at the provider `name` of `client`. `fresh`: it has to ask the person again, though they have
    /// signed in there.
    ///
    /// # Errors
    /// [`AccessError::NoSuchWay`], [`AccessError::Provider`], [`AccessError::Busy`].
    pub async fn start_federated(
        &self,
        client: &ClientId,
        name: &str,
        fresh: bool,
    ) -> Result<Redirect, AccessError> {
        let provider = self.provider(client, name)?;
        let (state, binding) = (token::random_secret(), token::random_secret());
        let callback = self.callback()?;
        let begun = provider.begin(self.limits(), self.0.clock.now(), &callback, &state, fresh).await?;
        let asked = Asked {
            provider: name.to_owned(),
            nonce: begun.nonce,
            pkce_verifier: begun.pkce_verifier,
            binding_hash: token::digest(&binding),
            fresh,
        };
        self.begin_ceremony_as(Ceremony::Federated, &state, client, None, &asked).await?;
        Ok(Redirect { url: begun.url, binding })
    }

    /// Ends it: `state`, `code` and, where there was one, `issuer` (RFC 9207) as the provider sent them with the browser,
    /// `binding` as the browser kept it.
    ///
    /// # Errors
    /// [`AccessError::NoCeremony`] when this browser did not begin it; [`AccessError::SignInRefused`] when the provider
    /// vouches for nobody who has an account here; [`AccessError::Provider`].
    pub async fn finish_federated(
        &self,
        state: &str,
        code: &str,
        issuer: Option<&str>,
        binding: &str,
        origin: &str,
    ) -> Result<Federated, AccessError> {
        let taken = self.take_ceremony::<Asked>(Ceremony::Federated, state).await?;
        let (client, asked) = (taken.client, taken.state);
        if asked.binding_hash != token::digest(binding) {
            return Err(AccessError::NoCeremony);
        }
        let provider = self.provider(&client, &asked.provider)?;
        if issuer.is_some_and(|issuer| issuer != provider.issuer()) {
            return Err(AccessError::NoCeremony); // another provider's answer (RFC 9700, section 4.4)
        }
        let now = self.0.clock.now();
        let verifier = asked.pkce_verifier;
        let said = provider.finish(self.limits(), &self.callback()?, code, verifier, &asked.nonce).await?;
        let person: PersonId = said.person.parse().map_err(|_| {
            tracing::warn!(%client, provider = asked.provider, "a provider's subject has no name that a person can have");
            AccessError::SignInRefused
        })?;
        if asked.fresh
            && said.authenticated.is_none_or(|at| now.since(at) > self.limits().ceremony_valid_s * 1000)
        {
            tracing::warn!(%client, %person, provider = asked.provider, "the provider did not ask the person again");
            return Err(AccessError::SignInRefused);
        }
        let account = self.account(&client, &person).await?.ok_or_else(|| {
            tracing::warn!(%client, %person, provider = asked.provider, "a provider vouches for who has no account here");
            AccessError::SignInRefused
        })?;
        if !self.is_bound(&client, &said.issuer, &person, &said.subject).await? {
            tracing::warn!(%client, %person, provider = asked.provider, "another subject of the provider has this name");
            return Err(AccessError::SignInRefused);
        }
        if !said.second_factor {
            let vouched = Vouched { at_ms: now.as_millis() };
            let ceremony =
                self.begin_ceremony(Ceremony::SecondFactor, &client, Some(&person), &vouched).await?;
            return Ok(Federated::SecondFactor { ceremony });
        }
        let mut tx = self.0.db.of(&client).begin().await?;
        if !proven(&mut tx, &client, &person, &account).await? {
            return Err(AccessError::SignInRefused);
        }
        // Whoever does not say when they were asked may have been asked long ago.
        let second = said.authenticated.unwrap_or_default();
        let shown = Shown { second, ..vouched_for(now) };
        Ok(Federated::Session(self.begin_session(tx, &client, &person, &account, shown, origin).await?))
    }

    /// Begins the session of somebody for whom a provider vouched, and who now shows a second factor here. One attempt:
    /// after a wrong code they begin again at the provider.
    ///
    /// # Errors
    /// [`AccessError::SignInRefused`].
    pub async fn finish_second_factor(
        &self,
        ceremony: &str,
        code: &str,
        origin: &str,
    ) -> Result<NewSession, AccessError> {
        let taken = self.take_ceremony::<Vouched>(Ceremony::SecondFactor, ceremony).await;
        let taken = taken.map_err(|error| match error {
            AccessError::NoCeremony => AccessError::SignInRefused,
            error => error,
        })?;
        let (client, now) = (taken.client, self.0.clock.now());
        let person = taken.person.ok_or(AccessError::SignInRefused)?;
        let account = self.account(&client, &person).await?.ok_or(AccessError::SignInRefused)?;
        let (account, attempt) = self.count_attempt(account, now).await?;
        let shown = self.shown_code(&account, &client, &person, code, now)?;
        let (Attempt::Open, Some(code)) = (attempt, shown) else { return Err(AccessError::SignInRefused) };
        let mut tx = self.0.db.of(&client).begin().await?;
        if !code.use_up(&mut tx, &client, &person, &account).await? {
            return Err(AccessError::SignInRefused);
        }
        let at = Moment::from_millis(taken.state.at_ms);
        let shown = Shown { totp: Some(now), second: now, ..vouched_for(at) };
        self.begin_session(tx, &client, &person, &account, shown, origin).await
    }

    /// Whether `subject` of `issuer` is who came first in this person's name.
    async fn is_bound(
        &self,
        client: &ClientId,
        issuer: &str,
        person: &PersonId,
        subject: &str,
    ) -> Result<bool, AccessError> {
        sqlx::query(
            "INSERT INTO access_subject (client, issuer, person, subject) VALUES ($1, $2, $3, $4)
             ON CONFLICT (client, issuer, person) DO NOTHING",
        )
        .bind(client.as_str())
        .bind(issuer)
        .bind(person.as_str())
        .bind(subject)
        .execute(self.0.db.of(client))
        .await
        .map_err(sql("bind a subject to a person"))?;
        let bound: String = sqlx::query_scalar(
            "SELECT subject FROM access_subject WHERE client = $1 AND issuer = $2 AND person = $3",
        )
        .bind(client.as_str())
        .bind(issuer)
        .bind(person.as_str())
        .fetch_one(self.0.db.of(client))
        .await
        .map_err(sql("read the subject of a person"))?;
        Ok(bound == subject)
    }

    fn provider(&self, client: &ClientId, name: &str) -> Result<Arc<Known>, AccessError> {
        let known = self.0.ways.providers.iter().find(|p| p.is(client, name));
        known.cloned().ok_or_else(|| AccessError::NoSuchWay {
            way: format!("the provider `{name}`"),
            remedy: "`GET /v1/session/ways?client=...` lists the ways in",
        })
    }

    /// Where providers send people back to; it has to be known to them.
    fn callback(&self) -> Result<String, AccessError> {
        let public =
            self.0.ways.public_url.as_ref().and_then(|url| url.join("/v1/session/oidc/callback").ok());
        public.map(String::from).ok_or(AccessError::NoSuchWay {
            way: "provider".into(),
            remedy: "give the host a `public-url` under [http]",
        })
    }
}

/// What packs see of a person for whom a provider vouches: what it knows of them, and its word.
fn vouched_for(at: Moment) -> Shown {
    Shown { password: Some(at), federated: Some(at), ..Shown::default() }
}

/// What a provider said of somebody, checked.
struct Said {
    issuer: String,
    subject: String,
    /// The value of the claim that names the person.
    person: String,
    second_factor: bool,
    authenticated: Option<Moment>,
}

impl Provider {
    fn saw_second_factor(&self, amr: &[String], acr: Option<&str>) -> bool {
        amr.iter().any(|method| self.second_factor_amr.contains(method))
            || acr.is_some_and(|acr| self.second_factor_acr.contains(acr))
    }

    fn choice(&self) -> ProviderChoice {
        ProviderChoice { name: self.name.clone(), label: self.label.clone() }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("client", &self.client)
            .field("name", &self.name)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redirect(..)")
    }
}

/// `auth_time`, in seconds, as a moment.
fn seconds(at_s: i64) -> Moment {
    moment(at_s.saturating_mul(1000))
}
