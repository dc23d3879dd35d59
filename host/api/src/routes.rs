//! Every route of the API, in one table: the router, what stands before each route, the OpenAPI document and the table
//! below are made of it, so that no route exists that is not listed.
//!
//! To add one: a row in `table()`, a handler that takes what it needs through [`crate::extract`] and [`crate::gate`],
//! and the line that the test below prints.
//!
//! | method | path                                | person                                                                                | machine     | for                                                  |
//! |--------|-------------------------------------|---------------------------------------------------------------------------------------|-------------|------------------------------------------------------|
//! | GET    | `/`                                 | open                                                                                  | open        | The console                                          |
//! | GET    | `/agent`                            | open                                                                                  | open        | One call, for an agent's desktop                     |
//! | GET    | `/console/{*name}`                  | open                                                                                  | open        | What the console is made of                          |
//! | GET    | `/healthz`                          | open                                                                                  | open        | Whether the host answers                             |
//! | GET    | `/readyz`                           | open                                                                                  | open        | Whether calls may be sent here, and why not          |
//! | GET    | `/v1/openapi.json`                  | open                                                                                  | open        | This API, as OpenAPI 3.1                             |
//! | POST   | `/v1/session`                       | open                                                                                  | open        | Sign in                                              |
//! | GET    | `/v1/session`                       | signed in                                                                             |             | Who is signed in                                     |
//! | DELETE | `/v1/session`                       | signed in                                                                             |             | Sign out                                             |
//! | GET    | `/v1/session/ways`                  | open                                                                                  | open        | Which ways of signing in there are                   |
//! | POST   | `/v1/session/step-up`               | signed in                                                                             |             | Show the second factor again                         |
//! | POST   | `/v1/session/step-up/passkey/start` | signed in                                                                             |             | A challenge to show a passkey again                  |
//! | POST   | `/v1/session/step-up/passkey`       | signed in                                                                             |             | Show a passkey again                                 |
//! | POST   | `/v1/session/passkey/start`         | open                                                                                  | open        | A challenge to sign in with a passkey                |
//! | POST   | `/v1/session/passkey`               | open                                                                                  | open        | Sign in with a passkey                               |
//! | GET    | `/v1/session/oidc/{provider}/start` | open                                                                                  | open        | To an identity provider                              |
//! | GET    | `/v1/session/oidc/callback`         | open                                                                                  | open        | Back from an identity provider                       |
//! | POST   | `/v1/session/oidc/second-factor`    | open                                                                                  | open        | The second factor, where the provider saw one        |
//! | POST   | `/v1/enrolment`                     | open                                                                                  | open        | See who an invitation is for, and a secret for codes |
//! | POST   | `/v1/enrolment/confirm`             | open                                                                                  | open        | Answer an invitation                                 |
//! | POST   | `/v1/me/password`                   | signed in                                                                             |             | Change one's password                                |
//! | POST   | `/v1/me/totp/start`                 | manage-own-factors                                                                    |             | Another secret for codes                             |
//! | POST   | `/v1/me/totp`                       | manage-own-factors                                                                    |             | Confirm it by a code                                 |
//! | POST   | `/v1/me/recovery-codes`             | manage-own-factors                                                                    |             | New recovery codes                                   |
//! | GET    | `/v1/me/passkeys`                   | signed in                                                                             |             | One's passkeys                                       |
//! | POST   | `/v1/me/passkeys/start`             | manage-own-factors                                                                    |             | Begin to add a passkey                               |
//! | POST   | `/v1/me/passkeys`                   | manage-own-factors                                                                    |             | Add it                                               |
//! | DELETE | `/v1/me/passkeys/{id}`              | manage-own-factors                                                                    |             | Remove one                                           |
//! | GET    | `/v1/people`                        | read-people                                                                           |             | People and their roles                               |
//! | POST   | `/v1/people`                        | manage-people                                                                         |             | Invite somebody                                      |
//! | POST   | `/v1/people/{id}`                   | manage-people                                                                         |             | Change a name, role, function, standing              |
//! | POST   | `/v1/people/{id}/invitation`        | manage-people                                                                         |             | Take lost factors, and invite anew                   |
//! | GET    | `/v1/roles`                         | read-people                                                                           |             | What each role may do                                |
//! | GET    | `/v1/tokens`                        | manage-tokens                                                                         |             | Machine tokens                                       |
//! | POST   | `/v1/tokens`                        | manage-tokens                                                                         |             | Make one                                             |
//! | DELETE | `/v1/tokens/{id}`                   | manage-tokens                                                                         |             | Revoke one                                           |
//! | GET    | `/v1/disclosures`                   | read-disclosures                                                                      |             | Who was given what of a recorded person              |
//! | GET    | `/v1/me/may`                        | signed in                                                                             |             | What one may do                                      |
//! | GET    | `/v1/health`                        | read-health                                                                           |             | How the host is doing                                |
//! | POST   | `/v1/reload`                        | reload-host                                                                           | admin       | Read the configuration again                         |
//! | GET    | `/v1/calls`                         | watch-live-calls                                                                      | read-api    | Running calls                                        |
//! | POST   | `/v1/calls/announced`               |                                                                                       | capture     | Announce a call before its audio                     |
//! | GET    | `/v1/calls/{call}`                  | watch-live-calls or pause-call                                                        | read-api    | How a running call stands                            |
//! | POST   | `/v1/calls/{call}/events`           | pause-call                                                                            | call-events | Something happens on a call                          |
//! | POST   | `/v1/expected-calls`                |                                                                                       | call-events | Calls that should be captured                        |
//! | GET    | `/v1/assurance`                     | watch-live-calls                                                                      | read-api    | What is wrong with captured calls                    |
//! | GET    | `/v1/live`                          | watch-live-calls                                                                      | read-api    | Verdicts, duties, alerts as they happen              |
//! | GET    | `/v1/alerts`                        | watch-live-calls                                                                      | read-api    | What somebody has to see to                          |
//! | POST   | `/v1/alerts/{id}/confirm`           | watch-live-calls                                                                      |             | It was seen to                                       |
//! | GET    | `/v1/recordings`                    | search-recordings                                                                     |             | Find recordings                                      |
//! | GET    | `/v1/recordings/{id}`               | search-recordings                                                                     |             | What is known of one                                 |
//! | GET    | `/v1/recordings/{id}/audio`         | play-recording                                                                        |             | Listen                                               |
//! | GET    | `/v1/recordings/{id}/transcript`    | play-recording                                                                        |             | Its words                                            |
//! | GET    | `/v1/recordings/{id}/timeline`      | search-recordings                                                                     |             | Every event and verdict on it                        |
//! | GET    | `/v1/recordings/{id}/waveform`      | play-recording                                                                        |             | Its drawing                                          |
//! | GET    | `/v1/recordings/{id}/evidence`      | export-recording                                                                      |             | Evidence of one                                      |
//! | GET    | `/v1/scorecards`                    | search-recordings                                                                     |             | Points that packs gave, by agent                     |
//! | GET    | `/v1/cases/{case}/evidence`         | export-recording                                                                      |             | Evidence of a matter                                 |
//! | POST   | `/v1/recordings/{id}/redactions`    | redact-recording or shred-recording                                                   |             | Mask a stretch, or ask to shred it                   |
//! | POST   | `/v1/recordings/{id}/disclosures`   | disclose-recording                                                                    |             | Enter that somebody outside is given it              |
//! | POST   | `/v1/recordings/{id}/notes`         | amend-recording                                                                       |             | Attach a note                                        |
//! | POST   | `/v1/recordings/{id}/breach`        | report-breach                                                                         |             | Enter that it may have reached the wrong person      |
//! | GET    | `/v1/recordings/{id}/masks`         | search-recordings                                                                     |             | What is masked                                       |
//! | POST   | `/v1/recordings/{id}/unmask`        | unmask-recording, one of two                                                          |             | Ask to bring back what is masked                     |
//! | POST   | `/v1/recordings/{id}/disposal`      | dispose-recording, one of two                                                         |             | Ask to have one destroyed                            |
//! | GET    | `/v1/requests`                      | read-ledger                                                                           |             | What waits for a second person                       |
//! | DELETE | `/v1/requests/{id}`                 | shred-recording or unmask-recording or dispose-recording or lift-hold or destroy-keys |             | Take back, or turn down                              |
//! | POST   | `/v1/requests/{id}/confirm`         | shred-recording or unmask-recording or dispose-recording or lift-hold or destroy-keys |             | Agree, as the second person                          |
//! | GET    | `/v1/holds`                         | read-ledger                                                                           | read-api    | Holds                                                |
//! | POST   | `/v1/holds`                         | set-hold                                                                              |             | Set a hold                                           |
//! | POST   | `/v1/holds/{id}/lift`               | lift-hold, one of two                                                                 |             | Ask to lift a hold                                   |
//! | GET    | `/v1/retention/plan`                | read-ledger                                                                           | read-api    | What goes when, and why                              |
//! | GET    | `/v1/retention/reviews`             | read-ledger                                                                           | read-api    | What waits for a decision                            |
//! | POST   | `/v1/retention/reviews/{id}`        | resolve-conflict                                                                      |             | Decide it                                            |
//! | GET    | `/v1/retention/receipts`            | read-ledger                                                                           | read-api    | What is gone                                         |
//! | POST   | `/v1/retention/confirm-clock`       | resolve-conflict                                                                      |             | The clock is right, although it jumped               |
//! | GET    | `/v1/packs`                         | read-packs                                                                            | read-api    | Packs in force, and before                           |
//! | GET    | `/v1/packs/monitor`                 | read-packs                                                                            | read-api    | What monitored packs would have done                 |
//! | POST   | `/v1/packs/swap`                    | change-packs                                                                          | admin       | Put a pack in force, or take one out                 |
//! | POST   | `/v1/packs/settings`                | change-packs                                                                          | admin       | Other settings for a pack in force                   |
//! | POST   | `/v1/packs/impact`                  | change-packs                                                                          | admin       | What a pack would have changed: begin                |
//! | GET    | `/v1/packs/impact/{id}`             | read-packs                                                                            | admin       | The same: how it stands                              |
//! | GET    | `/v1/packs/impact/{id}/progress`    | read-packs                                                                            | admin       | The same, as it goes on                              |
//! | POST   | `/v1/packs/rollback`                | change-packs                                                                          | admin       | Back to an earlier set                               |
//! | GET    | `/v1/keys`                          | read-keys                                                                             |             | How the client's key stands                          |
//! | POST   | `/v1/keys/rotate`                   | rotate-keys                                                                           |             | A new version of it                                  |
//! | POST   | `/v1/keys/destroy`                  | destroy-keys, one of two                                                              |             | Ask to destroy old versions                          |
//! | GET    | `/v1/ledger/checkpoint`             | read-ledger                                                                           | read-api    | The latest signed checkpoint                         |
//! | GET    | `/v1/ledger/key`                    | read-ledger                                                                           | read-api    | The public key of the log                            |
//! | GET    | `/v1/ledger/export`                 | export-ledger                                                                         |             | The log with its proofs, to keep                     |
//! | POST   | `/v1/ledger/verify`                 | read-ledger                                                                           | read-api    | Check the log from end to end                        |

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::{HeaderValue, Method, header},
    middleware::{from_fn_with_state, map_response},
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};
use caveat_access::{Action, Scope, markdown};

use crate::{
    Needs, Problem, Rooms, assurance, audio, calls, console,
    describe::{Described, Signature},
    disclosures,
    elsewhere::elsewhere,
    gate::gate,
    health,
    impact::{self, Jobs},
    keys, ledger, may,
    once::once,
    openapi, operated, packs,
    plays::Plays,
    problem::sign_ins_refused,
    rates::Rates,
    record, recordings, redactions, retention, roster, scores,
    sign_in::{self, enrolment, oidc, passkeys},
    waveform,
};

/// One route.
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    /// What it is for, in a few words.
    pub(crate) says: &'static str,
    /// What its handler takes out of a request, and gives.
    pub(crate) describe: fn(&mut Described<'_>),
    to: MethodRouter<Rooms>,
}

fn row<H, T>(method: Method, path: &'static str, needs: Needs, says: &'static str, handler: H) -> Row
where
    H: Handler<T, Rooms> + Signature<T>,
    T: 'static,
{
    let filter = match method {
        Method::POST => MethodFilter::POST,
        Method::DELETE => MethodFilter::DELETE,
        Method::PUT => MethodFilter::PUT,
        _ => MethodFilter::GET,
    };
    Row { method, path, needs, says, describe: H::describe, to: on(filter, handler) }
}

#[rustfmt::skip]
pub(crate) fn table() -> Vec<Row> {
    use Action::*;
    use Needs::*;
    use Scope::{Admin, CallEvents, Capture, ReadApi};
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const DELETE: Method = Method::DELETE;
    const TWO: &[Action] = &[ShredRecording, UnmaskRecording, DisposeRecording, LiftHold, DestroyKeys];
    vec![
        row(GET,    "/", Open, "The console", console::index),
        row(GET,    "/agent", Open, "One call, for an agent's desktop", console::agent),
        row(GET,    "/console/{*name}", Open, "What the console is made of", console::part),
        row(GET,    "/healthz", Open, "Whether the host answers", healthz),
        row(GET,    "/readyz", Open, "Whether calls may be sent here, and why not", operated::readyz),
        row(GET,    "/v1/openapi.json", Open, "This API, as OpenAPI 3.1", openapi::document),
        row(POST,   "/v1/session", Open, "Sign in", sign_in::sign_in),
        row(GET,    "/v1/session", Session, "Who is signed in", sign_in::whoami),
        row(DELETE, "/v1/session", Session, "Sign out", sign_in::sign_out),
        row(GET,    "/v1/session/ways", Open, "Which ways of signing in there are", sign_in::ways),
        row(POST,   "/v1/session/step-up", Session, "Show the second factor again", sign_in::step_up),
        row(POST,   "/v1/session/step-up/passkey/start", Session, "A challenge to show a passkey again", passkeys::start_step_up),
        row(POST,   "/v1/session/step-up/passkey", Session, "Show a passkey again", passkeys::step_up),
        row(POST,   "/v1/session/passkey/start", Open, "A challenge to sign in with a passkey", passkeys::start),
        row(POST,   "/v1/session/passkey", Open, "Sign in with a passkey", passkeys::sign_in),
        row(GET,    "/v1/session/oidc/{provider}/start", Open, "To an identity provider", oidc::start),
        row(GET,    "/v1/session/oidc/callback", Open, "Back from an identity provider", oidc::callback),
        row(POST,   "/v1/session/oidc/second-factor", Open, "The second factor, where the provider saw one", oidc::second_factor),
        row(POST,   "/v1/enrolment", Open, "See who an invitation is for, and a secret for codes", enrolment::look),
        row(POST,   "/v1/enrolment/confirm", Open, "Answer an invitation", enrolment::confirm),
        row(POST,   "/v1/me/password", Session, "Change one's password", enrolment::change_password),
        row(POST,   "/v1/me/totp/start", Person(ManageOwnFactors), "Another secret for codes", enrolment::start_totp),
        row(POST,   "/v1/me/totp", Person(ManageOwnFactors), "Confirm it by a code", enrolment::confirm_totp),
        row(POST,   "/v1/me/recovery-codes", Person(ManageOwnFactors), "New recovery codes", enrolment::renew_recovery_codes),
        row(GET,    "/v1/me/passkeys", Session, "One's passkeys", passkeys::list),
        row(POST,   "/v1/me/passkeys/start", Person(ManageOwnFactors), "Begin to add a passkey", passkeys::start_adding),
        row(POST,   "/v1/me/passkeys", Person(ManageOwnFactors), "Add it", passkeys::add),
        row(DELETE, "/v1/me/passkeys/{id}", Person(ManageOwnFactors), "Remove one", passkeys::remove),
        row(GET,    "/v1/people", Person(ReadPeople), "People and their roles", roster::people),
        row(POST,   "/v1/people", Person(ManagePeople), "Invite somebody", roster::invite),
        row(POST,   "/v1/people/{id}", Person(ManagePeople), "Change a name, role, function, standing", roster::change),
        row(POST,   "/v1/people/{id}/invitation", Person(ManagePeople), "Take lost factors, and invite anew", roster::invite_again),
        row(GET,    "/v1/roles", Person(ReadPeople), "What each role may do", may::roles),
        row(GET,    "/v1/tokens", Person(ManageTokens), "Machine tokens", roster::tokens),
        row(POST,   "/v1/tokens", Person(ManageTokens), "Make one", roster::make_token),
        row(DELETE, "/v1/tokens/{id}", Person(ManageTokens), "Revoke one", roster::revoke_token),
        row(GET,    "/v1/disclosures", Person(ReadDisclosures), "Who was given what of a recorded person", disclosures::list),
        row(GET,    "/v1/me/may", Session, "What one may do", may::may),
        row(GET,    "/v1/health", Person(ReadHealth), "How the host is doing", health::health),
        row(POST,   "/v1/reload", Either(ReloadHost, Admin), "Read the configuration again", operated::reload),
        row(GET,    "/v1/calls", Either(WatchLiveCalls, ReadApi), "Running calls", calls::list),
        row(POST,   "/v1/calls/announced", Machine(Capture), "Announce a call before its audio", calls::announce),
        row(GET,    "/v1/calls/{call}", EitherOf(&[WatchLiveCalls, PauseCall], ReadApi), "How a running call stands", calls::look),
        row(POST,   "/v1/calls/{call}/events", Either(PauseCall, CallEvents), "Something happens on a call", calls::happened),
        row(POST,   "/v1/expected-calls", Machine(CallEvents), "Calls that should be captured", assurance::expect),
        row(GET,    "/v1/assurance", Either(WatchLiveCalls, ReadApi), "What is wrong with captured calls", assurance::report),
        row(GET,    "/v1/live", Either(WatchLiveCalls, ReadApi), "Verdicts, duties, alerts as they happen", calls::live),
        row(GET,    "/v1/alerts", Either(WatchLiveCalls, ReadApi), "What somebody has to see to", calls::alerts),
        row(POST,   "/v1/alerts/{id}/confirm", Person(WatchLiveCalls), "It was seen to", calls::confirm_alert),
        row(GET,    "/v1/recordings", Person(SearchRecordings), "Find recordings", recordings::search),
        row(GET,    "/v1/recordings/{id}", Person(SearchRecordings), "What is known of one", recordings::look),
        row(GET,    "/v1/recordings/{id}/audio", Person(PlayRecording), "Listen", audio::audio),
        row(GET,    "/v1/recordings/{id}/transcript", Person(PlayRecording), "Its words", recordings::transcript),
        row(GET,    "/v1/recordings/{id}/timeline", Person(SearchRecordings), "Every event and verdict on it", recordings::timeline),
        row(GET,    "/v1/recordings/{id}/waveform", Person(PlayRecording), "Its drawing", waveform::waveform),
        row(GET,    "/v1/recordings/{id}/evidence", Person(ExportRecording), "Evidence of one", recordings::evidence),
        row(GET,    "/v1/scorecards", Person(SearchRecordings), "Points that packs gave, by agent", scores::scorecards),
        row(GET,    "/v1/cases/{case}/evidence", Person(ExportRecording), "Evidence of a matter", recordings::evidence_of_case),
        row(POST,   "/v1/recordings/{id}/redactions", AnyOf(&[RedactRecording, ShredRecording]), "Mask a stretch, or ask to shred it", redactions::redact),
        row(POST,   "/v1/recordings/{id}/disclosures", Person(DiscloseRecording), "Enter that somebody outside is given it", record::disclose),
        row(POST,   "/v1/recordings/{id}/notes", Person(AmendRecording), "Attach a note", record::amend),
        row(POST,   "/v1/recordings/{id}/breach", Person(ReportBreach), "Enter that it may have reached the wrong person", record::breach),
        row(GET,    "/v1/recordings/{id}/masks", Person(SearchRecordings), "What is masked", redactions::masks),
        row(POST,   "/v1/recordings/{id}/unmask", OneOfTwo(UnmaskRecording), "Ask to bring back what is masked", redactions::unmask),
        row(POST,   "/v1/recordings/{id}/disposal", OneOfTwo(DisposeRecording), "Ask to have one destroyed", redactions::dispose),
        row(GET,    "/v1/requests", Person(ReadLedger), "What waits for a second person", redactions::requests),
        row(DELETE, "/v1/requests/{id}", AnyOf(TWO), "Take back, or turn down", redactions::withdraw),
        row(POST,   "/v1/requests/{id}/confirm", AnyOf(TWO), "Agree, as the second person", redactions::confirm),
        row(GET,    "/v1/holds", Either(ReadLedger, ReadApi), "Holds", retention::holds),
        row(POST,   "/v1/holds", Person(SetHold), "Set a hold", retention::set_hold),
        row(POST,   "/v1/holds/{id}/lift", OneOfTwo(LiftHold), "Ask to lift a hold", retention::lift_hold),
        row(GET,    "/v1/retention/plan", Either(ReadLedger, ReadApi), "What goes when, and why", retention::plan),
        row(GET,    "/v1/retention/reviews", Either(ReadLedger, ReadApi), "What waits for a decision", retention::reviews),
        row(POST,   "/v1/retention/reviews/{id}", Person(ResolveConflict), "Decide it", retention::decide),
        row(GET,    "/v1/retention/receipts", Either(ReadLedger, ReadApi), "What is gone", retention::receipts),
        row(POST,   "/v1/retention/confirm-clock", Person(ResolveConflict), "The clock is right, although it jumped", retention::confirm_clock),
        row(GET,    "/v1/packs", Either(ReadPacks, ReadApi), "Packs in force, and before", packs::list),
        row(GET,    "/v1/packs/monitor", Either(ReadPacks, ReadApi), "What monitored packs would have done", packs::monitored),
        row(POST,   "/v1/packs/swap", Either(ChangePacks, Admin), "Put a pack in force, or take one out", packs::swap),
        row(POST,   "/v1/packs/settings", Either(ChangePacks, Admin), "Other settings for a pack in force", packs::configure),
        row(POST,   "/v1/packs/impact", Either(ChangePacks, Admin), "What a pack would have changed: begin", impact::begin),
        row(GET,    "/v1/packs/impact/{id}", Either(ReadPacks, Admin), "The same: how it stands", impact::look),
        row(GET,    "/v1/packs/impact/{id}/progress", Either(ReadPacks, Admin), "The same, as it goes on", impact::progress),
        row(POST,   "/v1/packs/rollback", Either(ChangePacks, Admin), "Back to an earlier set", packs::roll_back),
        row(GET,    "/v1/keys", Person(ReadKeys), "How the client's key stands", keys::status),
        row(POST,   "/v1/keys/rotate", Person(RotateKeys), "A new version of it", keys::rotate),
        row(POST,   "/v1/keys/destroy", OneOfTwo(DestroyKeys), "Ask to destroy old versions", keys::destroy),
        row(GET,    "/v1/ledger/checkpoint", Either(ReadLedger, ReadApi), "The latest signed checkpoint", ledger::checkpoint),
        row(GET,    "/v1/ledger/key", Either(ReadLedger, ReadApi), "The public key of the log", ledger::key),
        row(GET,    "/v1/ledger/export", Person(ExportLedger), "The log with its proofs, to keep", ledger::export),
        row(POST,   "/v1/ledger/verify", Either(ReadLedger, ReadApi), "Check the log from end to end", ledger::verify),
    ]
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// Every route of the API, each behind what the table says that it needs.
pub fn routes(rooms: Rooms) -> Router {
    sign_ins_refused().increment(0);
    let body_bytes_max = rooms.limits.body_bytes_max;
    let (rates, plays) = (Rates::new(&rooms.limits), Plays::new(&rooms.limits));
    let mut router = Router::new();
    for Row { path, needs, to, .. } in table() {
        let mut to = to.route_layer(from_fn_with_state(rooms.clone(), once));
        if path.contains("{call}") {
            to = to.route_layer(from_fn_with_state(rooms.clone(), elsewhere));
        }
        let to = to.route_layer(from_fn_with_state((rooms.clone(), rates.clone(), needs), gate));
        router = router.route(path, to);
    }
    router
        .fallback(|| async { Problem::not_found("no such route; `/v1/openapi.json` lists them") })
        .method_not_allowed_fallback(|| async { Problem::wrong_method() })
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(Extension(Jobs::default()))
        .layer(Extension(plays))
        .layer(map_response(guarded))
        .with_state(rooms)
}

/// Whatever a browser makes of an answer, it is not more than what it says it is.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(nothing);
    response
}

/// A route of the table, for whoever wants to try them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, parameters in braces.
    pub path: &'static str,
    /// What it needs of whoever calls it.
    pub needs: Needs,
}

/// Every route of [`routes`].
pub fn listed() -> Vec<Route> {
    table().into_iter().map(|Row { method, path, needs, .. }| Route { method, path, needs }).collect()
}

/// The table in Markdown, as it stands at the head of this module.
pub fn as_markdown() -> String {
    let mut rows = vec![["method", "path", "person", "machine", "for"].map(str::to_owned).to_vec()];
    for Row { method, path, needs, says, .. } in table() {
        let (person, machine) = needs.in_words();
        rows.push(vec![method.to_string(), format!("`{path}`"), person, machine, says.to_owned()]);
    }
    markdown(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_table_is_the_table() {
        let documented: String = include_str!("routes.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! |"))
            .map(|cells| format!("|{cells}\n"))
            .collect();
        assert_eq!(documented, as_markdown(), "copy the right-hand side to the head of routes.rs");
    }
}
