//! The closed table of roles and actions: what is not in it is not permitted. Always inside one client; packs then
//! rule on top, and may narrow (a redacted copy, a purpose) what this table grants.
//!
//! The lines of thought behind it: who administers does not listen; who is recorded does not manage recordings; who
//! audits reads everything and changes nothing; the law of a client is changed by who answers for it.
//!
//! Not in it: signing in, which whoever has an account may, as far as the packs let them; and sharing a recording with a
//! colleague, who either has a role to hear it or shall not (packs rule on each who listens, and a grant from one person to
//! another would pass them by).
//!
//! | action             | agent | supervisor | trainer | compliance | auditor | integrator | admin | step-up | people |
//! |--------------------|-------|------------|---------|------------|---------|------------|-------|---------|--------|
//! | search-recordings  |       | yes        | yes     | yes        | yes     |            |       |         |        |
//! | play-recording     |       | yes        | yes     | yes        | yes     |            |       | yes     |        |
//! | export-recording   |       |            |         | yes        |         |            |       | yes     |        |
//! | disclose-recording |       |            |         | yes        |         |            |       | yes     |        |
//! | amend-recording    |       | yes        |         | yes        |         |            |       | yes     |        |
//! | redact-recording   |       | yes        |         | yes        |         |            |       | yes     |        |
//! | unmask-recording   |       |            |         | yes        |         |            |       | yes     | two    |
//! | shred-recording    |       |            |         | yes        |         |            |       | yes     | two    |
//! | dispose-recording  |       |            |         | yes        |         |            |       | yes     | two    |
//! | destroy-keys       |       |            |         | yes        |         |            |       | yes     | two    |
//! | read-keys          |       |            |         | yes        | yes     |            | yes   |         |        |
//! | rotate-keys        |       |            |         | yes        |         |            | yes   | yes     |        |
//! | set-hold           |       |            |         | yes        |         |            |       |         |        |
//! | lift-hold          |       |            |         | yes        |         |            |       | yes     | two    |
//! | report-breach      |       |            |         | yes        |         |            |       |         |        |
//! | resolve-conflict   |       |            |         | yes        |         |            |       | yes     |        |
//! | pause-call         | yes   | yes        |         |            |         |            |       |         |        |
//! | watch-live-calls   |       | yes        |         | yes        |         |            |       |         |        |
//! | read-ledger        |       |            |         | yes        | yes     |            |       |         |        |
//! | export-ledger      |       |            |         | yes        | yes     |            |       | yes     |        |
//! | read-packs         |       | yes        | yes     | yes        | yes     | yes        | yes   |         |        |
//! | change-packs       |       |            |         | yes        |         |            |       | yes     |        |
//! | manage-own-factors | yes   | yes        | yes     | yes        | yes     | yes        | yes   | yes     |        |
//! | read-disclosures   |       |            |         | yes        | yes     |            |       |         |        |
//! | read-people        |       |            |         | yes        | yes     |            | yes   |         |        |
//! | manage-people      |       |            |         |            |         |            | yes   | yes     |        |
//! | manage-tokens      |       |            |         |            |         | yes        | yes   | yes     |        |
//! | read-health        |       |            |         |            |         | yes        | yes   |         |        |
//! | reload-host        |       |            |         |            |         |            | yes   | yes     |        |

use caveat_model::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{markdown, words::word};

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Find recordings by their facts.
    SearchRecordings,
    /// Hear a recording.
    PlayRecording,
    /// Take a recording out of the house as a file.
    ExportRecording,
    /// Enter that somebody outside the client is given a recording.
    DiscloseRecording,
    /// Attach a note to a recording, which stays as it is.
    AmendRecording,
    /// Mask a span; the original can be brought back.
    RedactRecording,
    /// Bring back what was masked.
    UnmaskRecording,
    /// Destroy a span for good.
    ShredRecording,
    /// Destroy a recording before its schedule does.
    DisposeRecording,
    /// Destroy keys, and with them all they open.
    DestroyKeys,
    /// See how keys stand.
    ReadKeys,
    /// Make a new version of the client's key.
    RotateKeys,
    /// Preserve recordings for a matter.
    SetHold,
    /// End a duty to preserve.
    LiftHold,
    /// Enter that a recording may have reached somebody it should not have.
    ReportBreach,
    /// Decide what the rules could not.
    ResolveConflict,
    /// Pause or resume the recording of a running call.
    PauseCall,
    /// See running calls and what packs say of them.
    WatchLiveCalls,
    /// Read the log.
    ReadLedger,
    /// Take the log out of the house, with its proofs.
    ExportLedger,
    /// See the packs of the client and their settings.
    ReadPacks,
    /// Activate, replace, configure or retire a pack.
    ChangePacks,
    /// Change one's own second factor, recovery codes and passkeys.
    ManageOwnFactors,
    /// See who was told what of a recorded person.
    ReadDisclosures,
    /// See the people of the client and their roles.
    ReadPeople,
    /// Invite people, change their role and standing, take lost factors from them.
    ManagePeople,
    /// Create and revoke machine tokens.
    ManageTokens,
    /// See how the host is doing.
    ReadHealth,
    /// Have the host read its configuration again.
    ReloadHost,
}

/// The roles, in the order of the table's columns. [`Role::Outsider`] has no column: nothing is permitted to it.
pub const ROLES: [Role; 7] = [
    Role::Agent,
    Role::Supervisor,
    Role::Trainer,
    Role::Compliance,
    Role::Auditor,
    Role::Integrator,
    Role::Admin,
];

struct Row {
    action: Action,
    roles: [bool; ROLES.len()],
    step_up: bool,
    people: u8,
}

const fn row(action: Action, roles: [bool; ROLES.len()], step_up: bool, people: u8) -> Row {
    Row { action, roles, step_up, people }
}

const Y: bool = true;
const __: bool = false;

#[rustfmt::skip]
static TABLE: [Row; 29] = {
    use Action::*;
    [
        //                      agent supervisor trainer compliance auditor integrator admin    step-up  people
        row(SearchRecordings,  [__,   Y,         Y,      Y,         Y,      __,        __],     __,      1),
        row(PlayRecording,     [__,   Y,         Y,      Y,         Y,      __,        __],     Y,       1),
        row(ExportRecording,   [__,   __,        __,     Y,         __,     __,        __],     Y,       1),
        row(DiscloseRecording, [__,   __,        __,     Y,         __,     __,        __],     Y,       1),
        row(AmendRecording,    [__,   Y,         __,     Y,         __,     __,        __],     Y,       1),
        row(RedactRecording,   [__,   Y,         __,     Y,         __,     __,        __],     Y,       1),
        row(UnmaskRecording,   [__,   __,        __,     Y,         __,     __,        __],     Y,       2),
        row(ShredRecording,    [__,   __,        __,     Y,         __,     __,        __],     Y,       2),
        row(DisposeRecording,  [__,   __,        __,     Y,         __,     __,        __],     Y,       2),
        row(DestroyKeys,       [__,   __,        __,     Y,         __,     __,        __],     Y,       2),
        row(ReadKeys,          [__,   __,        __,     Y,         Y,      __,        Y],      __,      1),
        row(RotateKeys,        [__,   __,        __,     Y,         __,     __,        Y],      Y,       1),
        row(SetHold,           [__,   __,        __,     Y,         __,     __,        __],     __,      1),
        row(LiftHold,          [__,   __,        __,     Y,         __,     __,        __],     Y,       2),
        row(ReportBreach,      [__,   __,        __,     Y,         __,     __,        __],     __,      1),
        row(ResolveConflict,   [__,   __,        __,     Y,         __,     __,        __],     Y,       1),
        row(PauseCall,         [Y,    Y,         __,     __,        __,     __,        __],     __,      1),
        row(WatchLiveCalls,    [__,   Y,         __,     Y,         __,     __,        __],     __,      1),
        row(ReadLedger,        [__,   __,        __,     Y,         Y,      __,        __],     __,      1),
        row(ExportLedger,      [__,   __,        __,     Y,         Y,      __,        __],     Y,       1),
        row(ReadPacks,         [__,   Y,         Y,      Y,         Y,      Y,         Y],      __,      1),
        row(ChangePacks,       [__,   __,        __,     Y,         __,     __,        __],     Y,       1),
        row(ManageOwnFactors,  [Y,    Y,         Y,      Y,         Y,      Y,         Y],      Y,       1),
        row(ReadDisclosures,   [__,   __,        __,     Y,         Y,      __,        __],     __,      1),
        row(ReadPeople,        [__,   __,        __,     Y,         Y,      __,        Y],      __,      1),
        row(ManagePeople,      [__,   __,        __,     __,        __,     __,        Y],      Y,       1),
        row(ManageTokens,      [__,   __,        __,     __,        __,     Y,         Y],      Y,       1),
        row(ReadHealth,        [__,   __,        __,     __,        __,     Y,         Y],      __,      1),
        row(ReloadHost,        [__,   __,        __,     __,        __,     __,        Y],      Y,       1),
    ]
};

/// Every action that the table lists.
pub const ACTIONS: [Action; TABLE.len()] = {
    let mut actions = [Action::SearchRecordings; TABLE.len()];
    let mut i = 0;
    while i < TABLE.len() {
        actions[i] = TABLE[i].action;
        i += 1;
    }
    actions
};

/// Whether `role` may do `action` within its own client.
pub fn permitted(role: Role, action: Action) -> bool {
    let column = ROLES.iter().position(|r| *r == role);
    listed(action).zip(column).is_some_and(|(row, column)| row.roles[column])
}

/// Whether the second factor must have been shown just before. What is not listed is treated as the gravest.
pub fn needs_step_up(action: Action) -> bool {
    listed(action).is_none_or(|row| row.step_up)
}

/// Whether one person is not enough. What is not listed is treated as the gravest.
pub fn needs_two_people(action: Action) -> bool {
    listed(action).is_none_or(|row| row.people > 1)
}

/// The table in Markdown, as it stands at the head of this module.
pub fn as_markdown() -> String {
    let mut head = vec!["action".to_owned()];
    head.extend(ROLES.iter().map(word));
    head.extend(["step-up".to_owned(), "people".to_owned()]);
    let mut rows = vec![head];
    for row in &TABLE {
        let mark = |yes: bool, mark: &str| if yes { mark.to_owned() } else { String::new() };
        let mut cells = vec![word(&row.action)];
        cells.extend(row.roles.iter().map(|yes| mark(*yes, "yes")));
        cells.extend([mark(row.step_up, "yes"), mark(row.people > 1, "two")]);
        rows.push(cells);
    }
    markdown(&rows)
}

fn listed(action: Action) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.action == action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_table_is_the_table() {
        let documented: String = include_str!("roles.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! |"))
            .map(|cells| format!("|{cells}\n"))
            .collect();
        assert_eq!(documented, as_markdown(), "copy the right-hand side to the head of roles.rs");
    }

    #[test]
    fn each_action_is_listed_once() {
        for (i, action) in ACTIONS.into_iter().enumerate() {
            assert_eq!(action as usize, i, "{action:?}: the rows stand in the order of the enum");
        }
    }

    #[test]
    fn outsiders_may_nothing_and_admins_do_not_listen() {
        for action in ACTIONS {
            assert!(!permitted(Role::Outsider, action), "{action:?}");
        }
        for action in [Action::SearchRecordings, Action::PlayRecording, Action::ExportRecording] {
            assert!(!permitted(Role::Admin, action), "{action:?}");
        }
    }

    #[test]
    fn what_two_people_do_is_done_freshly() {
        for action in ACTIONS {
            assert!(!needs_two_people(action) || needs_step_up(action), "{action:?}");
        }
        for action in [Action::PlayRecording, Action::ExportRecording, Action::RedactRecording] {
            assert!(needs_step_up(action), "{action:?}");
        }
        for action in [Action::ShredRecording, Action::LiftHold, Action::DestroyKeys] {
            assert!(needs_two_people(action), "{action:?}");
        }
    }
}
