//! Who asks, and for what: the host's roles and purposes together with the client's own words for them.

use caveat_sdk::{
    Facts,
    access::{Act, Form, PersonTraits, Request, Role},
    facts::Purpose,
};

use crate::{
    known::{self, spelled},
    tables,
};

/// What somebody is to a patient's recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Of the client, and treats patients.
    Clinician,
    /// Another provider.
    OtherProvider,
    /// Anyone else of the client.
    Workforce,
    Patient,
    Parent,
    /// Stands in the patient's shoes by law.
    Representative,
    Researcher,
    Vendor,
    HealthPlan,
    PublicHealth,
    /// Oversees health care by law: HHS, inspectors.
    Oversight,
    Court,
    /// With a subpoena or a suit.
    Litigant,
    LawEnforcement,
    /// Finds out who died and of what, or buries the dead.
    DecedentOffice,
    /// Pays or decides on injuries at work.
    WorkersCompensation,
    /// Has lawful custody of the patient.
    Custody,
    /// Federal officials for intelligence or protection.
    NationalSecurity,
    /// Nobody HIPAA knows.
    Outsider,
}

/// An access request, understood.
pub(crate) struct Ask<'a> {
    pub(crate) request: &'a Request,
    pub(crate) facts: &'a Facts,
    /// Who is to have it.
    pub(crate) job: Job,
    pub(crate) purpose: Purpose,
    /// It leaves the client.
    pub(crate) outward: bool,
    /// The client's own word for them is that of somebody who has no part in care (an employer, the press, family).
    pub(crate) known_outsider: bool,
    /// What the client calls the purpose, in the pack's spelling.
    pub(crate) why: String,
}

impl<'a> Ask<'a> {
    pub(crate) fn of(request: &'a Request, facts: &'a Facts) -> Self {
        let why = known::WHY.word(facts).unwrap_or_default();
        let meaning = |word: &str| tables::meaning(tables::JOBS, word);
        let (named, job) = match recipient(request, facts) {
            Some(recipient) => {
                let named = meaning(&recipient);
                (named, named.unwrap_or(Job::Outsider))
            }
            None => {
                let named = meaning(&spelled(&request.person.function));
                (named, job(request, named))
            }
        };
        let known_outsider = named == Some(Job::Outsider);
        let purpose = purpose(request, job, &why);
        let sent = matches!(request.act, Act::Disclose | Act::Share);
        let outward = sent || !matches!(job, Job::Clinician | Job::Workforce);
        Self { request, facts, job, purpose, outward, known_outsider, why }
    }

    pub(crate) fn is(&self, one: PersonTraits) -> bool {
        self.request.person.traits.contains(one)
    }

    /// Nothing that the minimum necessary would hide is asked for.
    pub(crate) fn already_reduced(&self) -> bool {
        matches!(self.request.form, Form::Redacted | Form::FactsOnly)
    }

    /// Sound carries the voice; a transcript does not.
    pub(crate) fn with_voice(&self) -> bool {
        matches!(self.request.form, Form::Original | Form::Redacted)
    }
}

/// The client's word for whoever is to have it, when it leaves.
fn recipient(request: &Request, facts: &Facts) -> Option<String> {
    let leaves = matches!(request.act, Act::Disclose | Act::Share | Act::Export);
    if leaves { known::RECIPIENT.word(facts) } else { None }
}

/// By the client's word for it, else by the host's role, else by what they are to the recording or want of it.
fn job(request: &Request, named: Option<Job>) -> Job {
    let person = &request.person;
    let own = person.traits.contains(PersonTraits::OWN_RECORDING);
    let treating = person.traits.contains(PersonTraits::TREATING);
    match named {
        Some(Job::Workforce) if treating => Job::Clinician,
        Some(job) => job,
        None if treating => Job::Clinician,
        None if own && person.role == Role::Outsider => Job::Patient,
        None if person.role != Role::Outsider => Job::Workforce,
        None => by_purpose(request.purpose),
    }
}

/// Somebody without a role at the host, and without a word for what they are.
fn by_purpose(purpose: Purpose) -> Job {
    match purpose {
        Purpose::OwnRequest => Job::Patient,
        Purpose::Research => Job::Researcher,
        Purpose::VendorUse => Job::Vendor,
        Purpose::PublicHealth => Job::PublicHealth,
        Purpose::LawEnforcement => Job::LawEnforcement,
        Purpose::Legal => Job::Litigant,
        _ => Job::Outsider,
    }
}

/// As stated; else by the client's word; else by what the job is for.
fn purpose(request: &Request, job: Job, why: &str) -> Purpose {
    let stated = match request.purpose {
        Purpose::Unstated => tables::meaning(tables::PURPOSES, why).unwrap_or(Purpose::Unstated),
        stated => stated,
    };
    match (job, stated) {
        // A vendor that "trains" trains its own product.
        (Job::Vendor, Purpose::Training | Purpose::Marketing | Purpose::Research) => Purpose::VendorUse,
        (Job::Patient | Job::Parent | Job::Representative, Purpose::Unstated) => Purpose::OwnRequest,
        (Job::Researcher, Purpose::Unstated) => Purpose::Research,
        (Job::Court | Job::Litigant, Purpose::Unstated) => Purpose::Legal,
        (Job::LawEnforcement, Purpose::Unstated) => Purpose::LawEnforcement,
        (Job::PublicHealth, Purpose::Unstated) => Purpose::PublicHealth,
        (Job::Oversight, Purpose::Unstated) => Purpose::Regulatory,
        (Job::Clinician, Purpose::Unstated) if request.person.traits.contains(PersonTraits::TREATING) => {
            Purpose::Treatment
        }
        (_, stated) => stated,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use caveat_sdk::access::{AccountKind, Factor, FactorKind, Person, Standing};

    use super::*;

    /// An individual account, both factors shown, everything else plain.
    pub(crate) fn request(role: Role, function: &str, act: Act, purpose: Purpose) -> Request {
        let factors = [FactorKind::Password, FactorKind::Totp].map(|kind| Factor { kind, at: 0 }).to_vec();
        let person = Person {
            role,
            function: function.into(),
            factors,
            idle_s: 0,
            unused_days: 0,
            account: AccountKind::Individual,
            standing: Standing::Active,
            traits: PersonTraits::empty(),
        };
        Request { act, purpose, form: Form::Original, where_: None, person }
    }

    #[test]
    fn who_asks() {
        let check = |role, function, purpose, wanted| {
            let request = request(role, function, Act::Play, purpose);
            assert_eq!(Ask::of(&request, &Facts::empty()).job, wanted, "{function}");
        };
        check(Role::Outsider, "Billing Clerk", Purpose::Payment, Job::Workforce);
        check(Role::Agent, "", Purpose::Training, Job::Workforce);
        check(Role::Agent, "nurse", Purpose::Treatment, Job::Clinician);
        check(Role::Outsider, "", Purpose::Research, Job::Researcher);
        check(Role::Outsider, "astronaut", Purpose::Operations, Job::Outsider);
    }

    #[test]
    fn what_for() {
        let check = |function, stated, wanted| {
            let request = request(Role::Outsider, function, Act::Play, stated);
            assert_eq!(Ask::of(&request, &Facts::empty()).purpose, wanted, "{function}");
        };
        check("vendor", Purpose::Training, Purpose::VendorUse);
        check("patient", Purpose::Unstated, Purpose::OwnRequest);
        check("billing", Purpose::Unstated, Purpose::Unstated);
    }
}
