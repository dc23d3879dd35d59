//! Which packs ruled for a client, since when, and on whose word. Rows are only ever added.

use caveat_model::{ClientId, Mode, Moment, PackRef};
use caveat_packs::ActiveSet;
use caveat_state::{Db, Purpose, StateError, Statement, sql};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RecorderError;

/// A set of packs that ruled, or rules, for a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PackSet {
    /// The client's sets are counted from 1.
    pub number: u64,
    /// The number under which this set was first put in force: its own, unless it was rolled back to.
    pub origin: u64,
    /// Put in force.
    pub at: Moment,
    /// By whom; `caveat.toml` when the configuration said so.
    pub by: String,
    /// Why, in their words.
    pub why: String,
    /// The packs, by name.
    pub packs: Vec<Member>,
    /// What `caveat.toml` said at the time. While it says the same, the newest set stands over it.
    #[serde(skip)]
    pub(super) declared: Vec<Member>,
}

/// A pack as part of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Member {
    /// Which pack with which settings.
    #[serde(flatten)]
    pub pack: PackRef,
    /// Whether it is obeyed.
    pub mode: Mode,
}

#[derive(Debug, Clone)]
pub(super) struct History {
    db: Db,
}

const MIGRATIONS: &[&str] = &["
CREATE TABLE pack_set (
    client TEXT NOT NULL,
    number BIGINT NOT NULL,
    origin BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    by_whom TEXT NOT NULL,
    why TEXT NOT NULL,
    packs TEXT NOT NULL,
    declared TEXT NOT NULL,
    PRIMARY KEY (client, number)
)"];

type Row = (i64, i64, i64, String, String, String, String);

impl History {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("packs", MIGRATIONS, &[(Purpose::Packs, "pack_set")]).await
    }

    pub(super) async fn open(db: Db) -> Result<Self, StateError> {
        Self::migrate(&db).await?;
        Ok(Self { db })
    }

    /// Adds a set; finds nothing to do where another host has added one of its number.
    pub(super) fn add(&self, client: &ClientId, set: &PackSet) -> Result<Statement, RecorderError> {
        let add = Statement::new(
            "INSERT INTO pack_set (client, number, origin, at_ms, by_whom, why, packs, declared)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (client, number) DO NOTHING",
        );
        Ok(add
            .bind(client.as_str())
            .bind(set.number as i64)
            .bind(set.origin as i64)
            .bind(set.at.as_millis() as i64)
            .bind(set.by.as_str())
            .bind(set.why.as_str())
            .bind(text(&set.packs)?)
            .bind(text(&set.declared)?)
            .or_nothing())
    }

    /// The number of every client's newest set.
    pub(super) async fn newest(&self) -> Result<Vec<(ClientId, u64)>, RecorderError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT client, MAX(number) FROM pack_set GROUP BY client")
                .fetch_all(self.db.across(Purpose::Packs))
                .await
                .map_err(sql("look for newer sets of packs"))?;
        Ok(rows.into_iter().filter_map(|(client, n)| Some((client.parse().ok()?, n as u64))).collect())
    }

    /// The newest sets, newest first, of those with a number below `below`.
    pub(super) async fn list(
        &self,
        client: &ClientId,
        below: u64,
        limit: u32,
    ) -> Result<Vec<PackSet>, RecorderError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT number, origin, at_ms, by_whom, why, packs, declared FROM pack_set
             WHERE client = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
        )
        .bind(client.as_str())
        .bind(i64::try_from(below).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("read the history of packs"))?;
        rows.into_iter().map(|row| set(client, row)).collect()
    }
}

/// A set's packs, by name; the order in the configuration does not matter.
pub(super) fn members(set: &ActiveSet) -> Vec<Member> {
    let member = |p: &caveat_packs::Active| Member { pack: p.loaded.reference.clone(), mode: p.mode };
    let mut members: Vec<Member> = set.packs.iter().map(member).collect();
    members.sort_by(|a, b| a.pack.cmp(&b.pack).then((a.mode as u8).cmp(&(b.mode as u8))));
    members
}

fn set(client: &ClientId, row: Row) -> Result<PackSet, RecorderError> {
    let (number, origin, at, by, why, packs, declared) = row;
    let read = |text: &str| {
        serde_json::from_str(text).map_err(|source| RecorderError::PackHistory {
            client: client.to_string(),
            number: number as u64,
            source,
        })
    };
    Ok(PackSet {
        packs: read(&packs)?,
        declared: read(&declared)?,
        number: number as u64,
        origin: origin as u64,
        at: Moment::from_millis(at as u64),
        by,
        why,
    })
}

fn text(members: &[Member]) -> Result<String, RecorderError> {
    serde_json::to_string(members).map_err(|source| RecorderError::PackHistory {
        client: String::new(),
        number: 0,
        source,
    })
}
