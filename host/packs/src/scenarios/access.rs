//! Scenarios about who may have a recording, for what, and in which form.

use caveat_model::{
    AccessRequest, AccountKind, Act, Event, Factor, FactorKind, Form, Moment, Person, PersonTraits, Purpose,
    Standing,
};

use super::{Scenario, Step, Translation, words, words::Table};

pub(super) fn translate(scenario: &Scenario) -> Translation {
    let facts = scenario.kept_facts();
    let table =
        scenario.table(if scenario.tables.contains_key("access") { "access" } else { &scenario.kind });
    let request = AccessRequest {
        act: act(&scenario.kind, table),
        purpose: purpose(&scenario.kind, table),
        form: form(table),
        span: None,
        person: person(table, facts.now),
    };
    Translation { steps: vec![Step { event: Event::Access(request), facts, judged: true }], notes: vec![] }
}

fn act(kind: &str, table: Table<'_>) -> Act {
    let flag = |names: &[&str]| table.flag(names) == Some(true);
    let stated = table.text(&["act", "action", "want"]);
    match stated.and_then(words::known) {
        Some(act) => act,
        None if matches!(stated, Some("download" | "copy")) => Act::Export,
        None if matches!(stated, Some("send" | "forward")) => Act::Share,
        None if flag(&["want_export", "export", "download", "want_download"]) => Act::Export,
        None if flag(&["want_share", "share"]) => Act::Share,
        None if flag(&["want_delete"]) => Act::Delete,
        None if flag(&["want_amend", "amend", "amendment"]) => Act::Amend,
        None if flag(&["want_search", "search", "query"]) => Act::Search,
        None if kind == "disclosure" => Act::Disclose,
        None => Act::Play,
    }
}

fn purpose(kind: &str, table: Table<'_>) -> Purpose {
    let stated = table.text(&["purpose"]).and_then(words::purpose);
    let of_kind = if kind == "training" { Purpose::Training } else { Purpose::Unstated };
    stated.unwrap_or(of_kind)
}

fn form(table: Table<'_>) -> Form {
    let flag = |names: &[&str]| table.flag(names) == Some(true);
    match table.text(&["form"]).and_then(words::known) {
        Some(form) => form,
        None if flag(&["redacted_copy", "redacted", "masked"]) => Form::Redacted,
        None if flag(&["transcript", "transcript_only"]) => Form::Transcript,
        None if flag(&["facts_only", "metadata_only"]) => Form::FactsOnly,
        None => Form::Original,
    }
}

fn person(table: Table<'_>, now: Moment) -> Person {
    let function = table.text(&["role"]).unwrap_or_default().to_ascii_lowercase();
    let flag = |names: &[&str]| table.flag(names).unwrap_or(false);
    let minutes = table.whole(&["idle_minutes", "idle_min", "session_idle_minutes"]);
    let idle_s =
        minutes.map(|m| m.saturating_mul(60)).or(table.whole(&["idle_s", "idle_seconds"])).unwrap_or(0);
    let unused_days =
        table.whole(&["unused_days", "inactive_days", "days_inactive", "days_unused"]).unwrap_or(0);
    let own = ["patient", "individual", "self", "consumer", "data-subject", "customer"]
        .contains(&function.as_str());
    Person {
        role: words::host_role(&function),
        factors: factors(table).into_iter().map(|kind| Factor { kind, at: now }).collect(),
        idle_s: u32::try_from(idle_s).unwrap_or(u32::MAX),
        unused_days: u16::try_from(unused_days).unwrap_or(u16::MAX),
        account: account(table),
        standing: table.text(&["employment", "standing", "account_state"]).map(standing).unwrap_or_default(),
        traits: PersonTraits {
            remote: flag(&["remote"]),
            treating: flag(&["treating", "treats_patient", "treating_clinician"])
                || function.starts_with("treating"),
            own_recording: table.flag(&["own", "own_recording", "own_phi"]).unwrap_or(own),
            verified: flag(&["verified", "identity_verified", "id_verified"]),
            full_need: flag(&["need_full_pan", "full_need", "need_full", "business_need"]),
            break_glass: flag(&["break_glass"]),
        },
        function,
    }
}

/// The host lets nobody in without a second factor, so both were shown unless the scenario says otherwise.
fn factors(table: Table<'_>) -> Vec<FactorKind> {
    let named: Vec<FactorKind> = table.words(&["factors", "mfa"]).into_iter().filter_map(factor).collect();
    match (named.is_empty(), table.flag(&["mfa"])) {
        (false, _) => named,
        (true, Some(false)) => vec![FactorKind::Password],
        (true, _) => vec![FactorKind::Password, FactorKind::Totp],
    }
}

fn factor(word: &str) -> Option<FactorKind> {
    words::known(word).or(match word {
        "phishing-resistant" | "webauthn" | "fido2" => Some(FactorKind::Passkey),
        "otp" | "sms" | "token" | "app" => Some(FactorKind::Totp),
        "pin" | "second-password" | "passphrase" => Some(FactorKind::Password),
        "sso" | "oidc" | "saml" => Some(FactorKind::Federated),
        _ => None,
    })
}

fn account(table: Table<'_>) -> AccountKind {
    match table.text(&["account"]) {
        Some(word) => words::known(word).unwrap_or_default(),
        None if table.flag(&["shared", "shared_account"]) == Some(true) => AccountKind::Shared,
        None => AccountKind::Individual,
    }
}

fn standing(word: &str) -> Standing {
    words::known(word).unwrap_or(match word {
        "left" | "fired" | "resigned" | "former" | "ended" => Standing::Terminated,
        "leave" | "on-leave" | "locked" | "disabled" => Standing::Suspended,
        "dormant" => Standing::Inactive,
        _ => Standing::Active,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use caveat_model::{LabelKind, Role};

    fn request(kind: &str, text: &str) -> AccessRequest {
        let frame = format!(
            "id = \"T\"\npacks = [\"hipaa\"]\nkind = \"{kind}\"\nexpected = {{ decision = \"deny\" }}\n"
        );
        let scenario = Scenario::read(toml::from_str(&format!("{frame}{text}")).unwrap()).unwrap();
        let step = scenario.translate().steps.remove(0);
        assert_eq!(
            step.facts.labels[0].kind,
            LabelKind::Health,
            "the recording holds what its pack protects"
        );
        let Event::Access(request) = step.event else { unreachable!("not an access") };
        request
    }

    fn kinds(request: &AccessRequest) -> Vec<FactorKind> {
        request.person.factors.iter().map(|f| f.kind).collect()
    }

    #[test]
    fn people_are_who_they_are() {
        let asked =
            request("access", r#"access = { role = "supervisor", mfa = false, need_full_pan = true }"#);
        assert_eq!((asked.act, asked.person.role), (Act::Play, Role::Supervisor));
        assert_eq!(kinds(&asked), [FactorKind::Password]);
        assert!(asked.person.traits.full_need);

        let asked = request(
            "access",
            r#"access = { role = "billing", purpose = "payment", mfa = true, redacted_copy = false }"#,
        );
        assert_eq!((asked.person.role, asked.person.function.as_str()), (Role::Outsider, "billing"));
        assert_eq!((asked.purpose, asked.form), (Purpose::Payment, Form::Original));
        assert_eq!(kinds(&asked), [FactorKind::Password, FactorKind::Totp]);

        let asked = request(
            "access",
            r#"access = { role = "qa", employment = "terminated", account = "shared", idle_minutes = 16 }"#,
        );
        assert_eq!(asked.person.standing, Standing::Terminated);
        assert_eq!((asked.person.account, asked.person.idle_s), (AccountKind::Shared, 960));

        let asked = request(
            "access",
            r#"access = { role = "clinician", purpose = "emergency", break_glass = true }"#,
        );
        assert!(asked.person.traits.break_glass);
        assert_eq!(asked.purpose, Purpose::Emergency);
    }

    #[test]
    fn the_kind_says_what_is_asked_for() {
        let act_of = |kind, text| request(kind, text).act;
        assert_eq!(act_of("disclosure", r#"access = { role = "other-provider" }"#), Act::Disclose);
        assert_eq!(act_of("access", r#"access = { role = "qa", want_export = true }"#), Act::Export);
        assert_eq!(act_of("access", r#"access = { role = "qa", act = "download" }"#), Act::Export);
        let training = request("training", r#"training = { role = "vendor", purpose = "model-training" }"#);
        assert_eq!((training.act, training.purpose), (Act::Play, Purpose::VendorUse));
        assert_eq!(request("training", "").purpose, Purpose::Training);
        let unknown = request("access", r#"access = { role = "researcher", purpose = "history" }"#);
        assert_eq!(unknown.purpose, Purpose::Unstated);
    }
}
