//! The protocol itself: discovery, where a browser is sent, the exchange of its code, the check of the token.

use std::{pin::Pin, time::Duration};

use caveat_model::{ClientId, Moment};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AsyncHttpClient, AuthType, AuthenticationContextClass,
    AuthorizationCode, ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse,
    TokenResponse, UserInfoClaims,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim,
        CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
        CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{Provider, Said, seconds};
use crate::{AccessError, Limits, ProviderChoice};

/// A provider with what it says of itself.
#[derive(Debug)]
pub(crate) struct Known {
    provider: Provider,
    issuer: IssuerUrl,
    http: reqwest::Client,
    metadata: Mutex<Option<(Moment, CoreProviderMetadata)>>,
}

/// A sign-in that was begun.
pub(super) struct Begun {
    pub(super) url: String,
    pub(super) nonce: String,
    pub(super) pkce_verifier: String,
}

/// Every claim beside those that the library names.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Others {
    #[serde(flatten)]
    claims: Map<String, Value>,
}

impl AdditionalClaims for Others {}

type Fields = IdTokenFields<
    Others,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// [`openidconnect::core::CoreClient`] with [`Others`].
type Client = openidconnect::Client<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Signatures by keys that only the provider has: none by a shared secret, and none at all never.
const SIGNATURES: [CoreJwsSigningAlgorithm; 8] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EdDsa,
];

impl Known {
    pub(crate) fn checked(provider: Provider) -> Result<Self, AccessError> {
        let unusable = |what, why: &str| Err(AccessError::Unusable { what, why: why.to_owned() });
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if provider.name.is_empty() || !provider.name.chars().all(named) {
            return unusable(
                "the name of the identity provider",
                "lower-case letters, digits and hyphens are wanted",
            );
        }
        if provider.second_factor_amr.iter().any(|method| method == "pwd") {
            return unusable("`second-factor-amr`", "`pwd` is a password, and no second factor");
        }
        let issuer = IssuerUrl::new(provider.issuer.clone())
            .map_err(|e| AccessError::Unusable { what: "the issuer", why: e.to_string() })?;
        let url = issuer.url();
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return unusable("the issuer", "an https URL is wanted");
        }
        // Whoever follows redirects can be sent to addresses that only this host reaches.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let http =
            http.map_err(|e| AccessError::Unusable { what: "the identity provider", why: e.to_string() })?;
        Ok(Self { provider, issuer, http, metadata: Mutex::new(None) })
    }

    pub(crate) fn is_of(&self, client: &ClientId) -> bool {
        self.provider.client == *client
    }

    pub(crate) fn is(&self, client: &ClientId, name: &str) -> bool {
        self.is_of(client) && self.provider.name == name
    }

    pub(crate) fn choice(&self) -> ProviderChoice {
        self.provider.choice()
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) async fn begin(
        &self,
        limits: &Limits,
        now: Moment,
        callback: &str,
        state: &str,
        fresh: bool,
    ) -> Result<Begun, AccessError> {
        let metadata = {
            let mut kept = self.metadata.lock().await;
            match &*kept {
                Some((at, metadata)) if now.since(*at) < limits.provider_refresh_s.saturating_mul(1000) => {
                    metadata.clone()
                }
                _ => {
                    let metadata = self.discover(limits).await?;
                    *kept = Some((now, metadata.clone()));
                    metadata
                }
            }
        };
        let client = self.client(metadata, callback)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = state.to_owned();
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                Nonce::new_random,
            )
            .set_pkce_challenge(challenge);
        for scope in &self.provider.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        for acr in &self.provider.second_factor_acr {
            request = request.add_auth_context_value(AuthenticationContextClass::new(acr.clone()));
        }
        if fresh {
            request = request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO);
        }
        let (url, _, nonce) = request.url();
        Ok(Begun { url: url.into(), nonce: nonce.secret().clone(), pkce_verifier: verifier.secret().clone() })
    }

    /// Exchanges the code for a token and checks it: signature, issuer, audience, time, nonce.
    pub(super) async fn finish(
        &self,
        limits: &Limits,
        callback: &str,
        code: &str,
        pkce_verifier: String,
        nonce: &str,
    ) -> Result<Said, AccessError> {
        // With the keys that it signs with now.
        let client = self.client(self.discover(limits).await?, callback)?;
        let wire = self.wire(limits);
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|e| self.failed(e))?
            .set_pkce_verifier(PkceCodeVerifier::new(pkce_verifier))
            .request_async(&wire)
            .await
            .map_err(|e| self.refused(e))?;
        let token = answer.id_token().ok_or_else(|| self.failed("it gave no ID token"))?;
        let verifier = client.id_token_verifier().set_allowed_algs(SIGNATURES);
        let nonce = Nonce::new(nonce.to_owned());
        let claims = token.claims(&verifier, &nonce).map_err(|e| self.refused(e))?;
        if let Some(expected) = claims.access_token_hash() {
            let signed = token.signing_alg().map_err(|e| self.failed(e))?;
            let key = token.signing_key(&verifier).map_err(|e| self.failed(e))?;
            let actual = AccessTokenHash::from_token(answer.access_token(), signed, key);
            if actual.map_err(|e| self.failed(e))? != *expected {
                return Err(self.refused("its tokens do not belong together"));
            }
        }
        let mut all = serde_json::to_value(claims).map_err(|e| self.failed(e))?;
        if all.get(&self.provider.person_claim).is_none() {
            // Of code flow many providers put what the scopes ask for there only (OpenID Connect Core, section 5.4).
            let token = answer.access_token().clone();
            let info = client.user_info(token, Some(claims.subject().clone())).map_err(|e| self.failed(e))?;
            let info: UserInfoClaims<Others, CoreGenderClaim> =
                info.request_async(&wire).await.map_err(|e| self.refused(e))?;
            let info = serde_json::to_value(&info).map_err(|e| self.failed(e))?;
            if let (Some(all), Some(claim)) = (all.as_object_mut(), info.get(&self.provider.person_claim)) {
                all.insert(self.provider.person_claim.clone(), claim.clone());
            }
        }
        self.said(claims.issuer(), claims.subject(), &all)
    }

    fn said(&self, issuer: &IssuerUrl, subject: &str, claims: &Value) -> Result<Said, AccessError> {
        let claim = &self.provider.person_claim;
        let person = claims.get(claim).and_then(Value::as_str).ok_or_else(|| {
            self.refused(format!("its token has no claim `{claim}` of text; the scopes may not ask for it"))
        })?;
        let amr: Vec<String> = claims
            .get("amr")
            .and_then(Value::as_array)
            .map(|methods| methods.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            .unwrap_or_default();
        let acr = claims.get("acr").and_then(Value::as_str);
        let authenticated = claims.get("auth_time").and_then(Value::as_i64).map(seconds);
        Ok(Said {
            issuer: issuer.to_string(),
            subject: subject.to_owned(),
            person: person.to_owned(),
            second_factor: self.provider.saw_second_factor(&amr, acr),
            authenticated,
        })
    }

    async fn discover(&self, limits: &Limits) -> Result<CoreProviderMetadata, AccessError> {
        let wire = self.wire(limits);
        CoreProviderMetadata::discover_async(self.issuer.clone(), &wire).await.map_err(|e| self.failed(e))
    }

    fn client(&self, metadata: CoreProviderMetadata, callback: &str) -> Result<Client, AccessError> {
        let id = openidconnect::ClientId::new(self.provider.client_id.clone());
        let secret = self.provider.secret.as_ref().map(|secret| ClientSecret::new(secret.to_string()));
        let callback = RedirectUrl::new(callback.to_owned()).map_err(|e| self.failed(e))?;
        let kind = if secret.is_some() { AuthType::BasicAuth } else { AuthType::RequestBody };
        Ok(Client::from_provider_metadata(metadata, id, secret)
            .set_redirect_uri(callback)
            .set_auth_type(kind))
    }

    /// The way to the provider, for the library.
    fn wire(&self, limits: &Limits) -> Wire {
        Wire {
            http: self.http.clone(),
            within: Duration::from_millis(limits.provider_answer_ms_max),
            bytes_max: limits.provider_answer_bytes_max,
        }
    }

    fn failed(&self, why: impl ToString) -> AccessError {
        AccessError::Provider {
            client: self.provider.client.clone(),
            name: self.provider.name.clone(),
            why: why.to_string(),
        }
    }

    /// It does not vouch for whoever asks: a code that was used, a token that does not hold.
    fn refused(&self, why: impl ToString) -> AccessError {
        let (client, provider) = (&self.provider.client, &self.provider.name);
        tracing::warn!(%client, provider, why = why.to_string(), "a sign-in at an identity provider was refused");
        AccessError::SignInRefused
    }
}

/// Carries requests to a provider, and bounded answers back.
struct Wire {
    http: reqwest::Client,
    within: Duration,
    bytes_max: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("it cannot be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    #[error("it took longer than `provider_answer_ms_max`")]
    TooLate,
    #[error("its answer is longer than `provider_answer_bytes_max`")]
    TooLong,
}

impl<'c> AsyncHttpClient<'c> for Wire {
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NoAnswer>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let answered = async move {
            let unreachable = |e: reqwest::Error| NoAnswer::Unreachable(e.without_url());
            let request = reqwest::Request::try_from(request).map_err(unreachable)?;
            let mut answer = self.http.execute(request).await.map_err(unreachable)?;
            let mut body = Vec::new();
            while let Some(part) = answer.chunk().await.map_err(unreachable)? {
                body.extend_from_slice(&part);
                if body.len() > self.bytes_max {
                    return Err(NoAnswer::TooLong);
                }
            }
            let mut response = HttpResponse::new(body);
            (*response.status_mut(), *response.headers_mut()) = (answer.status(), answer.headers().clone());
            Ok(response)
        };
        Box::pin(async move {
            tokio::time::timeout(self.within, answered).await.unwrap_or(Err(NoAnswer::TooLate))
        })
    }
}
