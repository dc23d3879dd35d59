//! Who asks, and whether the house lets them. Packs rule after this.

use caveat_model::{AccountKind, ClientId, Factor, Moment, Person, PersonId, PersonTraits, Role, Standing};

use crate::{AccessError, Action, needs_step_up, needs_two_people, permitted};

/// A person with a live session, as of one request. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedIn {
    /// Whose person. Nothing of another client is theirs.
    pub client: ClientId,
    /// Who.
    pub person: PersonId,
    /// As colleagues know them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Job or relation, in the client's words.
    pub function: String,
    /// Where the sign-in came from.
    pub origin: String,
    /// When the session began.
    pub began: Moment,
    /// What was shown, and when last.
    pub factors: Vec<Factor>,
    /// Seconds since the session was last used before this request.
    pub idle_s: u32,
    /// Days that the account had lain unused when this session began.
    pub unused_days: u16,
    /// Whether the second factor was shown within `step_up_valid_s`. Sign-in shows it too.
    pub stepped_up: bool,
    /// The limit that `stepped_up` was judged by.
    pub step_up_valid_s: u64,
}

impl SignedIn {
    /// Whether the house lets this person do `action` to something of `client`.
    ///
    /// # Errors
    /// [`AccessError::NotPermitted`] by role or client; [`AccessError::StepUpNeeded`];
    /// [`AccessError::SecondPersonNeeded`] for what one person cannot do, see [`SignedIn::permit_with`].
    pub fn permit(&self, action: Action, client: &ClientId) -> Result<(), AccessError> {
        self.permit_alone(action, client)?;
        if needs_two_people(action) {
            return Err(AccessError::SecondPersonNeeded { action });
        }
        Ok(())
    }

    /// Whether the house lets these two together do `action` to something of `client`: both may, both have stepped up
    /// where that is needed, and they are not the same person.
    ///
    /// # Errors
    /// As [`SignedIn::permit`], about whichever of the two falls short.
    pub fn permit_with(&self, second: &Self, action: Action, client: &ClientId) -> Result<(), AccessError> {
        self.permit_alone(action, client)?;
        second.may_confirm(&self.person, action, client)
    }

    /// Whether this person may ask for `action` on something of `client`, for another to confirm where two are needed.
    ///
    /// # Errors
    /// [`AccessError::NotPermitted`], [`AccessError::StepUpNeeded`].
    pub fn may_ask(&self, action: Action, client: &ClientId) -> Result<(), AccessError> {
        self.permit_alone(action, client)
    }

    /// Whether this person may confirm what `asked` was found good for asking for.
    ///
    /// # Errors
    /// As [`SignedIn::may_ask`]; [`AccessError::SecondPersonNeeded`] when both are the same person.
    pub fn may_confirm(
        &self,
        asked: &PersonId,
        action: Action,
        client: &ClientId,
    ) -> Result<(), AccessError> {
        self.permit_alone(action, client)?;
        if self.person == *asked {
            return Err(AccessError::SecondPersonNeeded { action });
        }
        Ok(())
    }

    /// Whether this person may change the role, the standing or the factors of `other`. Nobody does it to themselves.
    ///
    /// # Errors
    /// As [`SignedIn::permit`]; [`AccessError::OwnAccount`].
    pub fn may_manage(&self, other: &PersonId) -> Result<(), AccessError> {
        self.permit(Action::ManagePeople, &self.client)?;
        if self.person == *other { Err(AccessError::OwnAccount) } else { Ok(()) }
    }

    /// As packs see them. Traits that only the request can tell (purpose, treatment, emergency) are the caller's to set.
    pub fn to_model(&self) -> Person {
        Person {
            role: self.role,
            function: self.function.clone(),
            factors: self.factors.clone(),
            idle_s: self.idle_s,
            unused_days: self.unused_days,
            account: AccountKind::Individual,
            standing: Standing::Active, // a session of anyone else has ended
            traits: PersonTraits::default(),
        }
    }

    fn permit_alone(&self, action: Action, client: &ClientId) -> Result<(), AccessError> {
        if self.client != *client || !permitted(self.role, action) {
            return Err(AccessError::NotPermitted { role: self.role, action });
        }
        if needs_step_up(action) && !self.stepped_up {
            return Err(AccessError::StepUpNeeded { action, within_s: self.step_up_valid_s });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::roles::{ACTIONS, ROLES};

    fn person(client: &str, id: &str, role: Role, stepped_up: bool) -> SignedIn {
        SignedIn {
            client: client.parse().unwrap(),
            person: id.parse().unwrap(),
            name: String::new(),
            role,
            function: "billing".into(),
            origin: String::new(),
            began: Moment::default(),
            factors: Vec::new(),
            idle_s: 4,
            unused_days: 5,
            stepped_up,
            step_up_valid_s: 300,
        }
    }

    /// Every role (and outsiders) x every action x own and foreign client x fresh and stale second factor.
    #[test]
    fn nothing_unlisted_is_permitted() {
        let (own, foreign): (ClientId, ClientId) = ("own".parse().unwrap(), "foreign".parse().unwrap());
        let mut tried = 0;
        for role in ROLES.into_iter().chain([Role::Outsider]) {
            for action in ACTIONS {
                for (client, fresh) in [(&own, true), (&own, false), (&foreign, true), (&foreign, false)] {
                    let asks = person("own", "a", role, fresh);
                    let got = asks.permit(action, client);
                    let listed = permitted(role, action) && client == &own;
                    let right = match &got {
                        Ok(()) => listed && (fresh || !needs_step_up(action)) && !needs_two_people(action),
                        Err(AccessError::NotPermitted { .. }) => !listed,
                        Err(AccessError::StepUpNeeded { .. }) => listed && !fresh && needs_step_up(action),
                        Err(AccessError::SecondPersonNeeded { .. }) => listed && needs_two_people(action),
                        Err(_) => false,
                    };
                    assert!(right, "{role:?} {action:?} {client} fresh={fresh}: {got:?}");
                    tried += 1;
                }
            }
        }
        assert_eq!(tried, 8 * ACTIONS.len() * 4);
    }

    #[test]
    fn two_are_two_people_of_one_client_who_both_may() {
        let own = "own".parse().unwrap();
        let first = person("own", "a", Role::Compliance, true);
        let check = |second: SignedIn, allowed: bool| {
            let got = first.permit_with(&second, Action::LiftHold, &own);
            assert_eq!(got.is_ok(), allowed, "{second:?}: {got:?}");
        };
        check(person("own", "b", Role::Compliance, true), true);
        check(person("own", "a", Role::Compliance, true), false);
        check(person("own", "b", Role::Compliance, false), false);
        check(person("own", "b", Role::Agent, true), false);
        check(person("foreign", "b", Role::Compliance, true), false);
    }

    #[test]
    fn packs_see_the_person() {
        let seen = person("own", "a", Role::Trainer, true).to_model();
        assert_eq!(
            (seen.role, seen.function.as_str(), seen.idle_s, seen.unused_days),
            (Role::Trainer, "billing", 4, 5)
        );
    }
}
