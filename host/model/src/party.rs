//! Who is on a call, and where they may be. Mirrors `wit/facts.wit`, where each word is explained.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{IdError, Offset};

/// A party's number within its call, in order of appearance.
pub type PartyId = u8;

/// What a party is to the call.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PartyRole {
    /// The client's own person on the call.
    Agent,
    /// Whoever called the client or was called by it.
    Customer,
    /// The client's person who listens or steps in.
    Supervisor,
    /// An interpreter or relay operator.
    Interpreter,
    /// Anyone else on the call.
    OtherParty,
    /// A machine that speaks or listens.
    Automaton,
    /// A vendor that hears the call and may use it for ends of its own.
    Vendor,
    /// Nobody said.
    #[default]
    Unknown,
}

/// Where a region comes from. A number is evidence that adds a jurisdiction and never removes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RegionSource {
    /// The party said so on this call.
    Stated,
    /// The client's own records.
    OnFile,
    /// The area or country code of the party's number.
    Number,
}

/// A place: a USPS code for a US state, district or territory; otherwise `@` and an ISO 3166-1 alpha-2 code, for Canada
/// with a province after a hyphen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^([A-Z]{2}|@[A-Z]{2}(-[A-Z]{2,3})?)$"))]
pub struct Region(String);

impl Region {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether this place lies in `other` or is it: `@CA-ON` lies in `@CA`.
    pub fn within(&self, other: &Region) -> bool {
        self == other || self.0.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('-'))
    }
}

impl FromStr for Region {
    type Err = IdError;
    fn from_str(s: &str) -> Result<Self, IdError> {
        let upper = |t: &str| t.len() >= 2 && t.bytes().all(|b| b.is_ascii_uppercase());
        let well_formed = match s.strip_prefix('@') {
            None => s.len() == 2 && upper(s),
            Some(rest) => match rest.split_once('-') {
                None => rest.len() == 2 && upper(rest),
                Some((country, part)) => {
                    country.len() == 2 && upper(country) && part.len() <= 3 && upper(part)
                }
            },
        };
        if well_formed {
            return Ok(Self(s.to_owned()));
        }
        Err(IdError {
            given: s.chars().take(20).collect(),
            what: "region",
            why: "a USPS code (CA), `@` and a country (@DE), or `@CA-` and a province is wanted",
        })
    }
}

impl TryFrom<String> for Region {
    type Error = IdError;
    fn try_from(s: String) -> Result<Self, IdError> {
        s.parse()
    }
}

impl From<Region> for String {
    fn from(r: Region) -> String {
        r.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One piece of evidence about where a party is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RegionEvidence {
    /// The place.
    pub region: Region,
    /// How it is known.
    pub source: RegionSource,
    /// When it was learned.
    #[serde(default)]
    pub learned: Offset,
}

/// What a party's number tells.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum NumberKind {
    /// A number with a place.
    Geographic,
    /// 800, 888, ...
    TollFree,
    /// Premium, personal, carrier: no place.
    NonGeographic,
    /// Outside the US.
    Foreign,
    /// Caller ID was withheld.
    Withheld,
    /// Not a telephone number.
    Malformed,
    /// No number was given.
    #[default]
    Missing,
}

/// Yes-or-no facts about a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PartyTraits {
    /// On the call now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub present: bool,
    /// Hears and is not heard: a silent monitor.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// On hold now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub on_hold: bool,
    /// Known to be under 18.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub minor: bool,
    /// Works from a place other than a site of the client.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub remote_worker: bool,
}

/// Somebody, or something, on the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Party {
    /// Its number within the call.
    pub id: PartyId,
    /// What it is to the call.
    #[serde(default)]
    pub role: PartyRole,
    /// The audio stream that carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<u8>,
    /// What its number tells.
    #[serde(default)]
    pub number: NumberKind,
    /// Where it may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionEvidence>,
    /// BCP 47; empty when unknown.
    #[serde(default)]
    pub language: String,
    /// When it joined.
    #[serde(default)]
    pub joined: Offset,
    /// When it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Offset>,
    /// Yes-or-no facts.
    #[serde(default)]
    pub traits: PartyTraits,
}
