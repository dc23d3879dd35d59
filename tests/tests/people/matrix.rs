//! Every action of the table, asked for over HTTP by everybody on every route that it guards: roles and scopes x factor
//! levels x own and foreign client. What the table does not list for them is refused, and nothing of another client is
//! served to anybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use caveat_access::{Action, Scope, needs_step_up, permitted, roles::ROLES};
use caveat_api::{Needs, Route, listed};
use caveat_model::Role;
use caveat_tests::{
    figures,
    host::Host,
    people::{PASSWORD, Person, code},
    twilio::{CUSTOMER, Script},
    watch::until,
};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::house::CLIENTS;

const SCOPES: [Scope; 4] = [Scope::Capture, Scope::CallEvents, Scope::ReadApi, Scope::Admin];

/// Whether the second factor was shown just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Freshly,
    LongAgo,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
enum Asker {
    Nobody,
    Person(Role, Shown),
    Machine(Scope),
}

/// What the table has the door do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Unauthorized,
    Forbidden,
    /// The door lets them through, to whatever the request is worth.
    Through,
}

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

fn person(role: Role, shown: Shown, action: Action) -> Wanted {
    let freshly = shown == Shown::Freshly || !needs_step_up(action);
    if permitted(role, action) && freshly { Wanted::Through } else { Wanted::Forbidden }
}

/// By the two tables alone: routes, and roles. `meant` is the action that the request is for, where a route does several.
fn wanted(needs: Needs, meant: Option<Action>, asker: Asker) -> Wanted {
    use Wanted::*;
    let machine = |wants: Scope, has: Scope| if wants == has { Through } else { Forbidden };
    match (needs, asker) {
        (Needs::Open, _) => Through,
        (_, Asker::Nobody) => Unauthorized,
        (Needs::Session, Asker::Person(..)) => Through,
        (Needs::Person(action) | Needs::OneOfTwo(action), Asker::Person(role, shown)) => {
            person(role, shown, action)
        }
        (Needs::AnyOf(actions) | Needs::EitherOf(actions, _), Asker::Person(role, shown)) => match meant {
            Some(action) => person(role, shown, action),
            // Which of them it is stands in something that is not there; who may none of them does not get so far.
            None if actions.iter().any(|action| permitted(role, *action)) => Through,
            None => Forbidden,
        },
        (Needs::Either(action, _), Asker::Person(role, shown)) => person(role, shown, action),
        (
            Needs::Machine(scope) | Needs::Either(_, scope) | Needs::EitherOf(_, scope),
            Asker::Machine(has),
        ) => machine(scope, has),
        // A person's token is no machine's, and the other way around.
        (Needs::Machine(_), Asker::Person(..)) | (_, Asker::Machine(_)) => Unauthorized,
    }
}

/// The actions that a route guards.
fn guarded(needs: Needs) -> Vec<Action> {
    match needs {
        Needs::Person(action) | Needs::OneOfTwo(action) | Needs::Either(action, _) => vec![action],
        Needs::AnyOf(actions) | Needs::EitherOf(actions, _) => actions.to_vec(),
        Needs::Open | Needs::Session | Needs::Machine(_) => vec![],
    }
}

/// What is sent to a route, and which of its actions that means; one after the other where it does several.
fn bodies(route: &Route) -> Vec<(Option<Action>, Value)> {
    match route.path {
        "/v1/recordings/{id}/redactions" => {
            let wish = |mode| json!({"span": {"start": 0, "end": 500}, "mode": mode, "purpose": "quality"});
            let modes = [(Action::RedactRecording, "mask"), (Action::ShredRecording, "shred")];
            modes.map(|(action, mode)| (Some(action), wish(mode))).to_vec()
        }
        _ => vec![(None, json!({}))],
    }
}

/// A client's people and machines, and what they sign in with.
struct Cast {
    people: BTreeMap<(&'static str, Role), String>,
    machines: BTreeMap<(&'static str, Scope), String>,
}

fn cast(host: &Host) -> (Cast, BTreeMap<(&'static str, Role), String>) {
    let mut secrets = BTreeMap::new();
    let mut machines = BTreeMap::new();
    for client in ["acme", "rival"] {
        for role in ROLES {
            let secret = host.enroll(client, &word(role), &word(role), "").unwrap();
            secrets.insert((client, role), secret);
        }
        for scope in SCOPES {
            let (name, scopes) = (word(scope), word(scope));
            let args = ["token", "create", "--client", client, "--name", &name, "--scopes", &scopes];
            machines.insert((client, scope), host.command(&args, "").unwrap().trim().to_owned());
        }
    }
    (Cast { people: BTreeMap::new(), machines }, secrets)
}

impl Cast {
    async fn sign_in(&mut self, url: &str, client: &'static str, role: Role, code: &str) {
        let body = json!({"client": client, "person": word(role), "password": PASSWORD, "code": code});
        let answer = Client::new().post(format!("{url}/v1/session")).json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        self.people.insert((client, role), answer["token"].as_str().unwrap().to_owned());
    }

    fn token(&self, client: &'static str, asker: Asker) -> Option<&str> {
        match asker {
            Asker::Nobody => None,
            Asker::Person(role, _) => self.people.get(&(client, role)).map(String::as_str),
            Asker::Machine(scope) => self.machines.get(&(client, scope)).map(String::as_str),
        }
    }
}

/// A recording of `acme`, which nobody of `rival` may ever see.
async fn recording(host: &Host, token: &str, supervisor: &str) -> String {
    let facts = [("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")];
    let mut script = Script::new("CA1", &facts);
    script.sound(CUSTOMER, &[3_000, -2_000, 4_000, -1_000].repeat(4_000));
    script.play(&host.url, token).await.unwrap();
    let person = Person::with_session(&host.url, supervisor);
    until("a sealed recording", async || {
        let listed = person.recordings("quality").await?;
        Ok(listed.into_iter().find(|(_, state)| state == "sealed").map(|(id, _)| id))
    })
    .await
    .unwrap()
}

/// Ends the session that asks: comes last.
fn signs_out(route: &Route) -> bool {
    route.method == Method::DELETE && route.path == "/v1/session"
}

/// How many requests, and how many of them the door let through.
#[derive(Default, Clone, Copy)]
struct Count {
    asked: usize,
    through: usize,
}

#[derive(Default)]
struct Counts {
    /// By who asks, and whether at their own client's or at another's.
    askers: BTreeMap<(String, bool), Count>,
    /// Actions x roles x factor levels x own and foreign that were asked for.
    cells: BTreeSet<(String, String, String, bool)>,
}

impl Counts {
    fn add(&mut self, asker: Asker, is_foreign: bool, actions: &[Action], got: Wanted) {
        let name = match asker {
            Asker::Nobody => "nobody".to_owned(),
            Asker::Person(role, Shown::Freshly) => format!("{}, factor shown freshly", word(role)),
            Asker::Person(role, Shown::LongAgo) => format!("{}, factor shown long ago", word(role)),
            Asker::Machine(scope) => format!("machine for {}", word(scope)),
        };
        let count = self.askers.entry((name, is_foreign)).or_default();
        count.asked += 1;
        count.through += usize::from(got == Wanted::Through);
        if let Asker::Person(role, shown) = asker {
            let cell = |action| (word(action), word(role), format!("{shown:?}"), is_foreign);
            self.cells.extend(actions.iter().map(cell));
        }
    }

    /// One side of the table: everybody, or those of one client.
    fn sum(&self, is_of: impl Fn(bool) -> bool) -> Count {
        let of = self.askers.iter().filter(|((_, is_foreign), _)| is_of(*is_foreign));
        of.fold(Count::default(), |sum, (_, count)| Count {
            asked: sum.asked + count.asked,
            through: sum.through + count.through,
        })
    }

    fn told(&self) -> String {
        let mut told = format!("{:40} {:>8} {:>8} {:>8}\n", "who asks", "requests", "through", "refused");
        let mut line = |who: &str, Count { asked, through }: Count| {
            writeln!(told, "{who:40} {asked:8} {through:8} {:8}", asked - through).unwrap();
        };
        for ((name, is_foreign), count) in &self.askers {
            let at = if *is_foreign { "foreign" } else { "own" };
            line(&format!("{name}, {at}"), *count);
        }
        line("all at their own client's", self.sum(|is_foreign| !is_foreign));
        line("all at another client's", self.sum(|is_foreign| is_foreign));
        line("all", self.sum(|_| true));
        told
    }
}

/// Asks for every route as `asker` of `client`, and compares with the table.
async fn all_routes(
    host: &Host,
    cast: &Cast,
    (client, asker): (&'static str, Asker),
    recording: &str,
    counts: &mut Counts,
) {
    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut routes = listed();
    routes.sort_by_key(signs_out);
    for route in routes {
        let path: Vec<&str> = route
            .path
            .split('/')
            .map(|part| match part {
                "{call}" => "CA1",
                "{case}" => "none",
                "{*name}" => "none.js",
                part if part.starts_with('{') => recording,
                part => part,
            })
            .collect();
        let url = format!("{}{}?purpose=quality", host.url, path.join("/"));
        for (meant, body) in bodies(&route) {
            let mut request = http.request(route.method.clone(), &url);
            if let Some(token) = cast.token(client, asker) {
                request = request.bearer_auth(token);
            }
            if route.method != Method::GET {
                request = request.json(&body);
            }
            let answer = request.send().await.unwrap();
            let status = answer.status();
            let kind = answer.headers().get("content-type");
            let is_stream = kind.is_some_and(|kind| kind == "text/event-stream");
            let body = if is_stream { String::new() } else { answer.text().await.unwrap_or_default() };
            // What packs refuse, and what a handler refuses of a request, the door let through.
            let title = serde_json::from_str::<Value>(&body).unwrap_or_default()["title"].clone();
            let got = match status {
                StatusCode::UNAUTHORIZED if title == "Not signed in" => Wanted::Unauthorized,
                StatusCode::FORBIDDEN if title == "Not permitted" || title == "Step up" => Wanted::Forbidden,
                StatusCode::TOO_MANY_REQUESTS => panic!("asked too often to tell"),
                _ => Wanted::Through,
            };
            let about = || {
                let means = meant.map(|action| format!(" to {}", word(action))).unwrap_or_default();
                format!("{} {}{means} by {asker:?} of {client}: {status} {body}", route.method, route.path)
            };
            match wanted(route.needs, meant, asker) {
                // An open route may ask for a proof of its own, and one of several actions for that action.
                Wanted::Through
                    if meant.is_none()
                        && matches!(route.needs, Needs::Open | Needs::AnyOf(_) | Needs::EitherOf(..)) => {}
                wanted => assert_eq!(got, wanted, "{}", about()),
            }
            let is_foreign = client != "acme";
            let actions = meant.map_or_else(|| guarded(route.needs), |action| vec![action]);
            counts.add(asker, is_foreign, &actions, got);
            if is_foreign {
                assert!(!body.contains(recording) || !status.is_success(), "{}", about());
                let names_one = route.path.contains('{') && !matches!(route.needs, Needs::Open);
                assert!(!(names_one && status.is_success()), "{}", about());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_unlisted_is_allowed() {
    let limits =
        "[limits.people]\nsessions_per_person = 8\n\n[limits.requests]\nrequests_at_once_max = 100000\n\n";
    let short = CLIENTS.replace("[limits.calls]", &format!("{limits}[limits.calls]"));
    let mut host = Host::prepare(&short).unwrap();
    let (mut cast, secrets) = cast(&host);
    host.start().unwrap();
    let url = host.url.clone();
    for ((client, role), secret) in &secrets {
        cast.sign_in(&url, client, *role, &code(secret, 0).unwrap()).await;
    }
    let supervisor = cast.people[&("acme", Role::Supervisor)].clone();
    let recording = recording(&host, &cast.machines[&("acme", Scope::Capture)], &supervisor).await;

    let mut counts = Counts::default();
    for client in ["acme", "rival"] {
        all_routes(&host, &cast, (client, Asker::Nobody), &recording, &mut counts).await;
        for scope in SCOPES {
            all_routes(&host, &cast, (client, Asker::Machine(scope)), &recording, &mut counts).await;
        }
        for role in ROLES {
            let asker = Asker::Person(role, Shown::Freshly);
            all_routes(&host, &cast, (client, asker), &recording, &mut counts).await;
        }
    }
    // The same people on a host where what they showed is too old at once.
    for ((client, role), secret) in &secrets {
        cast.sign_in(&url, client, *role, &code(secret, 1).unwrap()).await;
    }
    host.stop().unwrap();
    let file = host.dir().join("caveat.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("sessions_per_person = 8", "step_up_valid_s = 0")).unwrap();
    host.start().unwrap();
    for client in ["acme", "rival"] {
        for role in ROLES {
            let asker = Asker::Person(role, Shown::LongAgo);
            all_routes(&host, &cast, (client, asker), &recording, &mut counts).await;
        }
    }
    host.stop().unwrap();

    let (routes, actions) = (listed(), caveat_access::roles::ACTIONS.len());
    let requests: usize = routes.iter().map(|route| bodies(route).len()).sum();
    let askers = 2 * (1 + SCOPES.len() + 2 * ROLES.len());
    assert_eq!(counts.sum(|_| true).asked, requests * askers);
    // No action is left out for anybody.
    assert_eq!(counts.cells.len(), actions * ROLES.len() * 2 * 2);
    let told = format!(
        "{} routes, {requests} requests each of {askers} askers\n{actions} actions x {} roles x 2 factor levels x own and \
         foreign client: {} cells, all asked for\n{}",
        routes.len(),
        ROLES.len(),
        counts.cells.len(),
        counts.told(),
    );
    figures::tell("matrix of roles", &told).unwrap();
}

#[test]
fn every_action_and_scope_guards_a_route() {
    let guarded: BTreeSet<String> =
        listed().into_iter().flat_map(|route| guarded(route.needs)).map(word).collect();
    // What had no route would be permitted to somebody and reachable by nobody.
    let unused: Vec<String> =
        caveat_access::roles::ACTIONS.iter().map(word).filter(|a| !guarded.contains(a)).collect();
    assert_eq!(unused, Vec::<String>::new());
}
