//! Recorded decisions ruled again, with the very packs and settings that ruled: they must agree bit for bit.
//!
//! Three things are held against each other: the leaf in the ledger, the sealed detail beside it, and what the packs say
//! now. A word that was purged cannot be ruled on again; then the leaf, the detail and the merge are still compared.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use caveat_engine::Engine;
use caveat_ledger::EntryKind;
use caveat_model::{ClientId, Digest, Event, PackRef, PackRuling, Verdict};
use caveat_packs::{Active, ActiveSet, Archive, LoadedPack, load};
use rayon::prelude::*;
use serde::Serialize;

use crate::{
    RecorderError,
    history::{Decision, Gone, History, Recorded},
};

/// What a replay found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReplayReport {
    /// Whose decisions.
    pub client: ClientId,
    /// Decisions looked at.
    pub decisions: u64,
    /// Ruled again, and compared in full.
    pub replayed: u64,
    /// Rulings of single packs among them.
    pub rulings: u64,
    /// Not ruled again though nothing is wrong, by reason; what is left of them was compared.
    pub gone: BTreeMap<Gone, u64>,
    /// Everything that does not agree.
    pub differences: Vec<Mismatch>,
}

/// Something that does not agree: the log, a detail, an archived pack or the engine is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mismatch {
    /// Which entry of the ledger.
    pub index: u64,
    /// Which pack; none when it is about the whole decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
    /// What of it: `outcome`, `obligations`, `reasons`, `fuel`, `terms`, `detail`, `archive`, ...
    pub field: &'static str,
    /// As recorded.
    pub recorded: String,
    /// As found now.
    pub found: String,
}

impl ReplayReport {
    /// Whether everything agrees.
    pub fn is_good(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, decisions, replayed, rulings, .. } = self;
        writeln!(f, "{client}: {decisions} decisions, {replayed} ruled again ({rulings} rulings)")?;
        for (gone, count) in &self.gone {
            writeln!(f, "  {count} cannot be ruled again: {gone}")?;
        }
        for d in &self.differences {
            let pack = d.pack.as_ref().map_or(String::new(), |p| format!(", pack {p}"));
            writeln!(f, "  entry {}{pack}, {}:", d.index, d.field)?;
            writeln!(f, "    recorded: {}\n    found:    {}", d.recorded, d.found)?;
        }
        match self.differences.len() {
            0 => writeln!(f, "everything agrees"),
            n => writeln!(f, "{n} differences: the log, its details or the archive are not what they were"),
        }
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Words => "words are gone (purged, destroyed or never kept)",
            Self::Keys => "keys are never kept",
            Self::NotSealed => "words lie in a recording that is not sealed yet",
            Self::Detail => "the detail was erased",
            Self::Time => "a pack ran out of time",
        })
    }
}

/// Rules everything in `history` again. `progress` is told how many entries of how many were looked at. Give the engine a
/// generous deadline: it decides how long a pack may take, not what it says.
///
/// # Errors
/// The ledger, the vault or the store fails. What does not agree is no error: it is in the report.
pub async fn replay(
    mut history: History,
    archive: &Archive,
    engine: &Arc<Engine>,
    client: &ClientId,
    mut progress: impl FnMut(u64, u64),
) -> Result<ReplayReport, RecorderError> {
    let mut report = ReplayReport {
        client: client.clone(),
        decisions: 0,
        replayed: 0,
        rulings: 0,
        gone: BTreeMap::new(),
        differences: vec![],
    };
    let mut bench = Bench { engine: engine.clone(), archive: archive.clone(), packs: HashMap::new() };
    loop {
        let decisions = history.next().await?;
        if decisions.is_empty() {
            return Ok(report);
        }
        report.decisions += decisions.len() as u64;
        let mut again = Vec::with_capacity(decisions.len());
        for decision in decisions {
            again.extend(report.prepare(&mut history, &mut bench, decision).await?);
        }
        let (compared, differences) = bench.rule(again).await?;
        report.replayed += compared.0;
        report.rulings += compared.1;
        report.differences.extend(differences);
        let (done, all) = history.progress();
        progress(done, all);
    }
}

/// A decision with all that it takes to rule again.
struct Again {
    index: u64,
    event: Event,
    recorded: Recorded,
    set: ActiveSet,
}

impl ReplayReport {
    /// Compares what lies on disk; gives back what can be ruled again.
    async fn prepare(
        &mut self,
        history: &mut History,
        bench: &mut Bench,
        decision: Decision,
    ) -> Result<Option<Again>, RecorderError> {
        let index = decision.index;
        let recorded = match decision.recorded {
            Ok(recorded) => recorded,
            Err(None) => {
                self.count(Gone::Detail);
                return Ok(None);
            }
            Err(Some(why)) => {
                self.differ(index, None, "detail", "a sealed detail", &why);
                return Ok(None);
            }
        };
        let pseudonym = match recorded.recording {
            Some(id) => Some(history.pseudonym(id).await?),
            None => None,
        };
        self.differences.extend(compare_leaf(index, &decision.entry, &recorded, pseudonym));
        self.differences.extend(compare_merge(index, &recorded));

        let mut set = ActiveSet::default();
        for ruling in &recorded.verdict.rulings {
            match bench.pack(&ruling.pack).await {
                Ok(loaded) => set.packs.push(Active { loaded, mode: ruling.mode }),
                Err(why) => {
                    self.differ(index, Some(&ruling.pack.name), "archive", &digests(&ruling.pack), &why)
                }
            }
        }
        let is_late = |r: &PackRuling| r.failure.as_ref().is_some_and(|f| f.contains("microseconds"));
        if recorded.verdict.rulings.iter().any(is_late) {
            self.count(Gone::Time);
            return Ok(None);
        }
        match history.whole_event(&recorded).await? {
            Ok(event) => Ok(Some(Again { index, event, recorded, set })),
            Err(gone) => {
                self.count(gone);
                Ok(None)
            }
        }
    }

    fn count(&mut self, gone: Gone) {
        *self.gone.entry(gone).or_default() += 1;
    }

    fn differ(&mut self, index: u64, pack: Option<&str>, field: &'static str, recorded: &str, found: &str) {
        let (pack, recorded, found) = (pack.map(str::to_owned), recorded.to_owned(), found.to_owned());
        self.differences.push(Mismatch { index, pack, field, recorded, found });
    }
}

/// Packs from the archive, loaded once each.
struct Bench {
    engine: Arc<Engine>,
    archive: Archive,
    packs: HashMap<(Digest, Digest), Result<Arc<LoadedPack>, String>>,
}

impl Bench {
    async fn pack(&mut self, wanted: &PackRef) -> Result<Arc<LoadedPack>, String> {
        let key = (wanted.digest, wanted.settings);
        if let Some(there) = self.packs.get(&key) {
            return there.clone();
        }
        let loaded = self.load(wanted).await.map(Arc::new);
        self.packs.insert(key, loaded.clone());
        loaded
    }

    async fn load(&self, wanted: &PackRef) -> Result<LoadedPack, String> {
        let file = self.archive.get_pack(wanted.digest).await.map_err(|e| e.to_string())?;
        let settings = self.archive.get_settings(wanted.settings).await.map_err(|e| e.to_string())?;
        let loaded = load(&self.engine, &file, &settings).map_err(|e| e.to_string())?;
        match loaded.reference.settings == wanted.settings {
            true => Ok(loaded),
            false => Err("its schema completes the archived settings in another way".into()),
        }
    }

    /// How many decisions and rulings were compared, and what differs. Uses every core.
    async fn rule(&self, again: Vec<Again>) -> Result<((u64, u64), Vec<Mismatch>), RecorderError> {
        let engine = self.engine.clone();
        let work = move || {
            let compared = (again.len() as u64, again.iter().map(|a| a.set.packs.len() as u64).sum());
            let differences = again.par_iter().flat_map_iter(|a| compare_rulings(&engine, a)).collect();
            (compared, differences)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| RecorderError::Interrupted { what: "ruling again" })
    }
}

fn compare_rulings(engine: &Engine, again: &Again) -> Vec<Mismatch> {
    let Again { index, event, recorded, set } = again;
    let mut rulings = set.ask(engine, event, &recorded.facts);
    let mut differences = vec![];
    for was in &recorded.verdict.rulings {
        let same = |r: &PackRuling| r.pack.digest == was.pack.digest && r.pack.settings == was.pack.settings;
        match rulings.iter().position(same) {
            Some(at) => differences.extend(compare_ruling(*index, was, &rulings.swap_remove(at))),
            // A pack that could not be loaded was reported already; one that loads was not asked.
            None if set.packs.iter().any(|p| p.loaded.reference.digest == was.pack.digest) => {
                let field = "stages";
                differences.push(different(
                    *index,
                    Some(&was.pack.name),
                    field,
                    &"asked",
                    &"has no say here",
                ));
            }
            None => {}
        }
    }
    differences
}

fn compare_ruling(index: u64, was: &PackRuling, is: &PackRuling) -> Vec<Mismatch> {
    let mut all = vec![];
    let name = Some(was.pack.name.as_str());
    macro_rules! same {
        ($field:literal, $($part:tt)+) => {
            if was.$($part)+ != is.$($part)+ {
                all.push(different(index, name, $field, &was.$($part)+, &is.$($part)+));
            }
        };
    }
    same!("pack", pack);
    same!("outcome", ruling.outcome);
    same!("obligations", ruling.obligations);
    same!("remedies", ruling.remedies);
    same!("labels", ruling.labels);
    same!("scores", ruling.scores);
    same!("reasons", ruling.reasons);
    same!("failure", failure);
    same!("fuel", fuel);
    all
}

/// The merge needs no words: it can always be done again.
fn compare_merge(index: u64, recorded: &Recorded) -> Vec<Mismatch> {
    let was = &recorded.verdict;
    let is = Verdict::merge(&recorded.event, &recorded.facts, was.rulings.clone());
    let mut all = vec![];
    if was.stage != is.stage {
        all.push(different(index, None, "stage", &was.stage, &is.stage));
    }
    if was.outcome != is.outcome {
        all.push(different(index, None, "outcome", &was.outcome, &is.outcome));
    }
    if was.terms != is.terms {
        all.push(different(index, None, "terms", &was.terms, &is.terms));
    }
    if was.conflicts != is.conflicts {
        all.push(different(index, None, "conflicts", &was.conflicts, &is.conflicts));
    }
    all
}

/// The leaf follows from the detail: written again, it has to be the one in the log.
fn compare_leaf(
    index: u64,
    leaf: &EntryKind,
    recorded: &Recorded,
    pseudonym: Option<String>,
) -> Vec<Mismatch> {
    let EntryKind::Verdict { recording, detail, .. } = leaf else { return vec![] };
    // Details written before they named the recording say nothing against the leaf.
    let pseudonym = pseudonym.or_else(|| recording.clone());
    let again = EntryKind::of_verdict(pseudonym, recorded.event.name(), &recorded.verdict, *detail);
    if again == *leaf {
        return vec![];
    }
    let (Ok(leaf), Ok(again)) = (serde_json::to_value(leaf), serde_json::to_value(&again)) else {
        return vec![different(index, None, "leaf", leaf, &again)];
    };
    let fields = ["recording", "stage", "event", "outcome", "packs", "conflicts", "obligations"];
    let differs = fields.into_iter().filter(|field| leaf[field] != again[field]);
    differs.map(|field| different(index, None, field, &again[field], &leaf[field])).collect()
}

fn different(
    index: u64,
    pack: Option<&str>,
    field: &'static str,
    recorded: &impl fmt::Debug,
    found: &impl fmt::Debug,
) -> Mismatch {
    let (recorded, found) = (format!("{recorded:?}"), format!("{found:?}"));
    Mismatch { index, pack: pack.map(str::to_owned), field, recorded, found }
}

fn digests(pack: &PackRef) -> String {
    format!("pack {}, settings {}", pack.digest, pack.settings)
}
