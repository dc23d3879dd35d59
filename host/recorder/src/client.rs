//! What the recorder has to know of a client.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use caveat_model::{Attribute, CallTraits, ClientId, Facts, Placement, Purpose, Region};
use serde::Deserialize;

use crate::{AfterCall, Announcement};

/// One client as its configuration describes it.
#[derive(Debug, Clone)]
pub struct ClientProfile {
    /// Who.
    pub id: ClientId,
    /// Where the recorder runs.
    pub recorder_region: Option<Region>,
    /// What its recordings are for, unless a call says otherwise.
    pub purposes: Vec<Purpose>,
    /// Whether pause or masking during card entry is in use.
    pub can_pause: bool,
    /// Whether its recordings are part of patients' medical records.
    pub medical_record: bool,
    /// Where recordings are kept. Cipher and key state are the vault's to say.
    pub placement: Placement,
    /// Jobs that have a documented need for what the rules would hide (`function` of a person).
    pub full_need: Vec<String>,
    /// Facts of its industry, given with every event.
    pub attributes: Vec<Attribute>,
    /// How its calls are handled beyond what packs ask for.
    pub practice: Practice,
}

impl ClientProfile {
    /// What packs are told of every call of it.
    pub fn usual_facts(&self) -> Facts {
        let (can_pause, medical_record) = (self.can_pause, self.medical_record);
        Facts {
            traits: CallTraits { can_pause, medical_record, ..CallTraits::default() },
            recorder_region: self.recorder_region.clone(),
            purposes: self.purposes.clone(),
            attributes: self.attributes.clone(),
            ..Facts::default()
        }
    }
}

/// What a client has set up for its calls; nothing of it makes a rule laxer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Practice {
    /// What an agent keys to pause ("*71"); none: keys pause nothing by themselves.
    pub pause_keys: Option<String>,
    /// What an agent keys to go on.
    pub resume_keys: Option<String>,
    /// Notices of recording that the host can play itself, the usual one first.
    pub announcements: Vec<Announcement>,
    /// What becomes of stretches that the rules hide, once the call is over.
    pub after_call: AfterCall,
    /// Recordings are destroyed so long after their call began, in days, unless a rule keeps them longer; none: only what a
    /// rule wants gone is.
    pub dispose_after_days: Option<u32>,
    /// The most that it may take of the host, so that others have theirs.
    pub quota: Quota,
}

/// What one client may take of a host; none: as much as the host has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Quota {
    /// Calls that run at the same time.
    pub calls_at_once_max: Option<usize>,
    /// Bytes of its recordings in the store, sealed and not destroyed. Calls that run are not cut short by it; new ones are
    /// refused.
    pub kept_bytes_max: Option<u64>,
    /// Requests to the API, of all its people and machines together, per minute.
    pub requests_per_minute_max: Option<u32>,
    /// What its packs may take of each second, in milliseconds of ruling; beyond, its events wait, one behind the other.
    pub ruling_ms_per_second_max: Option<u32>,
}

/// All clients of a host, by id. Clones are one: a profile that is replaced is replaced for all of them. A call keeps the
/// profile that it began with.
#[derive(Debug, Clone, Default)]
pub struct Clients(Arc<ArcSwap<HashMap<ClientId, Arc<ClientProfile>>>>);

impl Clients {
    /// The client with this id.
    pub fn get(&self, id: &ClientId) -> Option<Arc<ClientProfile>> {
        self.0.load().get(id).cloned()
    }
    /// Every client.
    pub fn iter(&self) -> impl Iterator<Item = Arc<ClientProfile>> {
        self.0.load().values().cloned().collect::<Vec<_>>().into_iter()
    }
    /// Takes new profiles of clients that are here already; what it is told of others is left out.
    pub fn renew(&self, profiles: impl IntoIterator<Item = ClientProfile>) {
        let profiles: Vec<_> = profiles.into_iter().map(Arc::new).collect();
        self.0.rcu(|current| {
            let mut next = HashMap::clone(current);
            for profile in &profiles {
                if let Some(place) = next.get_mut(&profile.id) {
                    *place = profile.clone();
                }
            }
            next
        });
    }
}

impl FromIterator<ClientProfile> for Clients {
    fn from_iter<I: IntoIterator<Item = ClientProfile>>(clients: I) -> Self {
        let by_id = clients.into_iter().map(|c| (c.id.clone(), Arc::new(c))).collect();
        Self(Arc::new(ArcSwap::from_pointee(by_id)))
    }
}
