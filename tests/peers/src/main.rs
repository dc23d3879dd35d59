//! Caveat's rulings beside other engines on the same rule, in the same run. See README.md.

mod cedar;
mod host;
mod kubewarden;
mod ours;
mod rego;
mod report;
mod rounds;
mod scene;
mod threads;

use anyhow::{Context, ensure};
use caveat_model::{Facts, Outcome};
use caveat_sdk::Pack;
use pack_all_party::AllParty;
use pack_state_consent::StateConsent;

use cedar::Cedar;
use kubewarden::Kubewarden;
use ours::{Ours, call};
use rego::Rego;
use report::Report;
use rounds::{Contender, take_turns};

struct Args {
    /// How often each contender has its turn, of 64 judgements.
    rounds: usize,
    json: bool,
    /// Have no turns, and no table, but have this one judge all the time: for a profiler.
    only: Option<String>,
}

impl Args {
    fn given() -> anyhow::Result<Self> {
        let mut args = Self { rounds: 60, json: false, only: None };
        let mut given = std::env::args().skip(1);
        while let Some(arg) = given.next() {
            match arg.as_str() {
                "--json" => args.json = true,
                "--rounds" => {
                    args.rounds = given.next().and_then(|n| n.parse().ok()).context("--rounds N")?
                }
                "--only" => args.only = Some(given.next().context("--only NAME")?),
                _ => anyhow::bail!("--rounds N, --json, and --only NAME are all there is"),
            }
        }
        Ok(args)
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::given()?;
    let facts = scene::facts()?;
    let ours = Ours::new()?;
    let (cedar, rego, kubewarden) = (Cedar::new()?, Rego::new()?, Kubewarden::new()?);
    let mut contenders = contenders(&ours, &cedar, &rego, &kubewarden, &facts)?;
    if let Some(only) = &args.only {
        contenders.retain(|c| c.name.contains(only.as_str()));
        return take_turns(&mut contenders, args.rounds).map(drop);
    }
    let taken = take_turns(&mut contenders, args.rounds)?;
    let scaling = threads::scaling(&ours, &facts, args.rounds.div_ceil(4));
    let host = host::figures(&ours, &facts, args.rounds.div_ceil(4))?;
    let report = Report::new(taken, scaling, host, args.rounds);
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{}", report.to_text()),
    }
    Ok(())
}

fn contenders<'a>(
    ours: &'a Ours,
    cedar: &'a Cedar,
    rego: &'a Rego,
    kubewarden: &'a Kubewarden,
    facts: &'a Facts,
) -> anyhow::Result<Vec<Contender<'a>>> {
    let judge = |set: ours::Set<'a>| {
        move || {
            let verdict = ours.judge(&set, &scene::EVENT, facts)?;
            Ok(verdict.outcome == Outcome::Refuse)
        }
    };
    // pci-dss and hipaa-hitech have nothing against this call.
    let ask = |set: ours::Set<'a>| {
        move || {
            ours.judge(&set, &scene::EVENT, facts)?;
            Ok(true)
        }
    };
    let (event, sdk_facts) = scene::native();
    let state_consent = StateConsent::new(Default::default()).map_err(|p| anyhow::anyhow!("{p:?}"))?;
    for (set, native) in [
        (ours.small(), caveat_sdk::CaptureRules::capture(&AllParty, &event, &sdk_facts)),
        (ours.one(0), caveat_sdk::CaptureRules::capture(&state_consent, &event, &sdk_facts)),
    ] {
        let verdict = ours.judge(&set, &scene::EVENT, facts)?;
        ensure!(Ours::agrees(&verdict, &native), "native and sandboxed rulings differ: {native:?}");
    }
    let (native_event, native_facts) = (event.clone(), sdk_facts.clone());
    let (request, entities) = (cedar.request(facts)?, cedar.entities(facts)?);
    let input = Rego::input(facts)?;
    let mut all = vec![
        Contender::new(report::THREE, judge(ours.three())),
        Contender::new(report::SMALL, judge(ours.small())),
        Contender::new(report::STATE_CONSENT, judge(ours.one(0))),
        Contender::new(report::PCI_DSS, ask(ours.one(1))),
        Contender::new(report::HIPAA, ask(ours.one(2))),
        Contender::new(report::CEDAR_ALL, || {
            Ok(cedar.denies(&cedar.request(facts)?, &cedar.entities(facts)?))
        }),
        Contender::new(report::CEDAR_REQUEST, {
            let entities = entities.clone();
            move || Ok(cedar.denies(&cedar.request(facts)?, &entities))
        }),
        Contender::new(report::CEDAR_NOTHING, move || Ok(cedar.denies(&request, &entities))),
        Contender::new(report::REGORUS_JSON, || rego.denies(Rego::input(facts)?)),
        Contender::new(report::REGORUS_INPUT, move || rego.denies(input.clone())),
        Contender::new(report::KUBEWARDEN, || kubewarden.refuses(facts)),
        Contender::new(report::NATIVE_SMALL, move || Ok(call(&AllParty, &native_event, &native_facts))),
        Contender::new(report::NATIVE_STATE, move || Ok(call(&state_consent, &event, &sdk_facts))),
    ];
    // Reading the clock costs some 30 ns, a good part of a native call.
    for native in all.iter_mut().filter(|c| [report::NATIVE_SMALL, report::NATIVE_STATE].contains(&c.name)) {
        native.at_once = 50;
    }
    Ok(all)
}
