//! Scenarios about what is kept: where and how, how long, and what leaked.

use caveat_model::{
    Basis, Cipher, Disposal, Element, Event, Facts, Hold, KeyState, Placement, PlacementTraits, StorageEvent,
    StoreKind,
};

use super::{NOW, Scenario, Step, Translation, words, words::Table};
use crate::plain;

pub(super) fn storage(scenario: &Scenario) -> Translation {
    let table = scenario.table("storage");
    let place = placement(table);
    let event = match place.kind {
        _ if table.flag(&["move"]) == Some(true) => StorageEvent::Move(place),
        StoreKind::Primary | StoreKind::Buffer => StorageEvent::Seal(place),
        StoreKind::Replica | StoreKind::Backup | StoreKind::Exported => StorageEvent::Place(place),
    };
    one(event, kept(scenario))
}

pub(super) fn retention(scenario: &Scenario) -> Translation {
    let table = scenario.table("retention");
    let action = table.text(&["action"]).unwrap_or("keep");
    let event = match action {
        "keep" | "retain" => StorageEvent::Review(element(table.text(&["object"]).unwrap_or("recording"))),
        _ => StorageEvent::Dispose(Disposal { what: disposed(action, table), basis: basis(action, table) }),
    };
    let mut facts = kept(scenario);
    let held = |table: Table<'_>| table.flag(&["legal_hold", "hold", "on_hold"]) == Some(true);
    if held(table) || held(scenario.table("tenant")) || held(scenario.table("storage")) {
        let matter = table.text(&["matter"]).unwrap_or("legal hold").to_owned();
        facts.holds.push(Hold { matter, since: facts.began });
    }
    one(event, facts)
}

pub(super) fn breach(scenario: &Scenario) -> Translation {
    one(StorageEvent::BreachFound, kept(scenario))
}

fn one(event: StorageEvent, facts: Facts) -> Translation {
    Translation { steps: vec![Step { event: Event::Storage(event), facts, judged: true }], notes: vec![] }
}

/// What is known of a recording that exists.
fn kept(scenario: &Scenario) -> Facts {
    let mut facts = scenario.facts();
    facts.traits.captured = true;
    facts.labels = scenario.labels();
    if scenario.tables.contains_key("storage") {
        facts.placements.push(placement(scenario.table("storage")));
    }
    facts
}

/// The host seals whatever it keeps, so a place is encrypted unless the scenario says otherwise.
fn placement(table: Table<'_>) -> Placement {
    let flag = |names: &[&str]| table.flag(names).unwrap_or(false);
    let cipher = match table.text(&["cipher", "encryption", "algorithm"]) {
        _ if flag(&["disk_only", "disk_encryption_only", "volume_encryption_only"]) => Cipher::DiskOnly,
        _ if table.flag(&["encrypted"]) == Some(false) && flag(&["disk_encryption", "volume_encryption"]) => {
            Cipher::DiskOnly
        }
        _ if table.flag(&["encrypted"]) == Some(false) => Cipher::None,
        Some(word) => words::cipher(word),
        None => Cipher::Chacha20Poly1305,
    };
    let key = match table.text(&["key_state", "key"]) {
        Some("decrypt-only" | "decrypt_only") => KeyState::Retired,
        Some(word) => words::known(word).unwrap_or(KeyState::Active),
        None if cipher == Cipher::None => KeyState::None,
        None => KeyState::Active,
    };
    let agreement = table.flag(&["baa", "baa_on_file", "associate_agreement"]);
    let traits = PlacementTraits {
        associate_agreement: agreement.unwrap_or(false),
        // Whoever might have signed an agreement is somebody else.
        third_party: flag(&["third_party"])
            || agreement.is_some()
            || table.text(&["vendor", "cloud"]).is_some(),
        pci_attested: flag(&["pci_attested"]),
        immutable: flag(&["immutable", "worm"]),
        audit_trail: flag(&["audit_trail", "audit_trail_recreate"]),
        keys_apart: flag(&["keys_apart", "keys_separate", "key_separate", "kek_separate"]),
        validated_module: flag(&["validated_module", "fips", "fips_validated"]),
    };
    let region = table.text(&["region", "location"]).and_then(|place| plain::region(place, None));
    Placement { kind: store_kind(table), region, cipher, key, traits }
}

fn store_kind(table: Table<'_>) -> StoreKind {
    let flag = |names: &[&str]| table.flag(names) == Some(true);
    let said = table.text(&["kind", "target", "object"]).and_then(words::known);
    match said {
        Some(kind) => kind,
        None if flag(&["buffer"]) => StoreKind::Buffer,
        None if flag(&["backup"]) => StoreKind::Backup,
        None if flag(&["replica"]) => StoreKind::Replica,
        None if flag(&["export", "exported", "removable", "removable_media"]) => StoreKind::Exported,
        None => StoreKind::Primary,
    }
}

/// `delete-template` is about the template, plain `delete` about `object` or the whole.
fn disposed(action: &str, table: Table<'_>) -> Element {
    let named = action.split_once('-').map(|(_, what)| what.split("-keep").next().unwrap_or(what));
    element(named.or(table.text(&["object"])).unwrap_or("recording"))
}

fn element(word: &str) -> Element {
    words::known(word).unwrap_or(match word {
        "voiceprint" | "biometric-template" => Element::Template,
        "log" | "logs" | "audit-logs" | "access-log" => Element::AuditLog,
        "clip" | "sad" | "cvv" | "span" => Element::Segment,
        _ => Element::Recording,
    })
}

fn basis(action: &str, table: Table<'_>) -> Basis {
    let flag = |names: &[&str]| table.flag(names) == Some(true);
    if table.get(&["request"]).is_some() || action.starts_with("erase") {
        Basis::ErasureRequest
    } else if flag(&["contract_end", "contract_ended"]) {
        Basis::ContractEnd
    } else if flag(&["by_rule", "by_rules"]) {
        Basis::Rules
    } else {
        Basis::Schedule
    }
}

impl Scenario {
    /// For [`super::access`]: the same recording, asked for.
    pub(super) fn kept_facts(&self) -> Facts {
        let mut facts = kept(self);
        facts.now = facts.now.max(NOW);
        facts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use caveat_model::{AttributeValue, LabelKind};

    fn translated(kind: &str, text: &str) -> Step {
        let frame = format!(
            "id = \"T\"\npacks = [\"pci\"]\nkind = \"{kind}\"\nexpected = {{ decision = \"allow\" }}\n"
        );
        let scenario = Scenario::read(toml::from_str(&format!("{frame}{text}")).unwrap()).unwrap();
        let translation = scenario.translate();
        assert!(translation.notes.is_empty() && translation.steps[0].judged);
        translation.steps[0].clone()
    }

    fn attribute(facts: &Facts, name: &str) -> Option<AttributeValue> {
        facts.attributes.iter().find(|a| a.name == name).map(|a| a.value.clone())
    }

    #[test]
    fn a_place_is_described() {
        let check = |text: &str, wanted: Placement| {
            let event = translated("storage", text).event;
            let (Event::Storage(StorageEvent::Seal(got)) | Event::Storage(StorageEvent::Place(got))) = event
            else {
                unreachable!("{text}: {event:?}")
            };
            assert_eq!(got, wanted, "{text}");
        };
        let plain = Placement {
            kind: StoreKind::Primary,
            region: None,
            cipher: Cipher::Chacha20Poly1305,
            key: KeyState::Active,
            traits: PlacementTraits::default(),
        };
        check(
            "storage = { encrypted = true, key_state = \"expired\" }",
            Placement { key: KeyState::Expired, ..plain.clone() },
        );
        check(
            "storage = { encrypted = true, buffer = true }",
            Placement { kind: StoreKind::Buffer, ..plain.clone() },
        );
        check(
            "storage = { encrypted = false }",
            Placement { cipher: Cipher::None, key: KeyState::None, ..plain.clone() },
        );
        check(
            "storage = { backup = true, disk_only = true }",
            Placement { kind: StoreKind::Backup, cipher: Cipher::DiskOnly, ..plain.clone() },
        );
        check(
            "storage = { encrypted = false, disk_encryption = true }",
            Placement { cipher: Cipher::DiskOnly, ..plain.clone() },
        );
        let traits = PlacementTraits { third_party: true, ..PlacementTraits::default() };
        check("storage = { baa = false }", Placement { traits, ..plain });
    }

    #[test]
    fn what_is_in_a_buffer_is_known() {
        let step = translated(
            "storage",
            "content = [{ what = \"cvv\", value = \"123\", after_authorization = false }]\nstorage = { buffer = true }",
        );
        assert_eq!(step.facts.labels.iter().map(|l| l.kind).collect::<Vec<_>>(), [LabelKind::CardCode]);
        assert_eq!(attribute(&step.facts, "content.after-authorization"), Some(AttributeValue::Flag(false)));
        assert_eq!(
            attribute(&step.facts, "content.cvv.after-authorization"),
            Some(AttributeValue::Flag(false))
        );
        assert!(step.facts.attributes.iter().all(|a| a.value != AttributeValue::Text("123".into())));
    }

    #[test]
    fn actions_are_disposals_and_reviews() {
        let check = |retention: &str, wanted: StorageEvent| {
            assert_eq!(
                translated("retention", &format!("retention = {{ {retention} }}")).event,
                Event::Storage(wanted)
            );
        };
        let dispose = |what, basis| StorageEvent::Dispose(Disposal { what, basis });
        check("action = \"delete\"", dispose(Element::Recording, Basis::Schedule));
        check(
            "action = \"erase\", request = \"gdpr-17\"",
            dispose(Element::Recording, Basis::ErasureRequest),
        );
        check("action = \"delete-template\"", dispose(Element::Template, Basis::Schedule));
        check("action = \"delete-audio-keep-transcript\"", dispose(Element::Audio, Basis::Schedule));
        check("action = \"keep\", object = \"backup\"", StorageEvent::Review(Element::Backup));
    }

    #[test]
    fn age_and_typed_attributes_are_known() {
        let step = translated(
            "retention",
            "age_days = 10\nretention = { action = \"delete\", birth_date = \"2012-03-01\", part_of_record = true, legal_hold = true }\n\
             tenant = { taping_firm = true, options = [\"nv\"] }\nstorage = { business_need = false }\n\
             call = { kind = \"emergency-line\", threat = true }",
        );
        assert!(step.facts.traits.emergency_line);
        assert_eq!(attribute(&step.facts, "tenant.pan-business-need"), Some(AttributeValue::Flag(false)));
        assert_eq!(attribute(&step.facts, "call.threats"), Some(AttributeValue::Flag(true)));
        assert_eq!(NOW.date(), "2026-11-23");
        assert_eq!(step.facts.began.date(), "2026-11-13");
        assert!(step.facts.traits.medical_record);
        assert_eq!(step.facts.holds.len(), 1);
        let when = AttributeValue::When("2012-03-01".parse().unwrap());
        assert_eq!(attribute(&step.facts, "retention.birth-date"), Some(when));
        assert_eq!(attribute(&step.facts, "tenant.taping-firm"), Some(AttributeValue::Flag(true)));
        assert_eq!(attribute(&step.facts, "option.nv"), Some(AttributeValue::Flag(true)));
        assert_eq!(attribute(&step.facts, "tenant.options"), None);
    }

    #[test]
    fn a_breach_is_in_the_attributes() {
        let step = translated(
            "breach",
            "breach = { persons = 40, encrypted = false, entity = \"business-associate\" }",
        );
        assert_eq!(step.event, Event::Storage(StorageEvent::BreachFound));
        assert_eq!(attribute(&step.facts, "breach.persons"), Some(AttributeValue::Whole(40)));
        assert_eq!(
            attribute(&step.facts, "breach.entity"),
            Some(AttributeValue::Text("business-associate".into()))
        );
    }
}
