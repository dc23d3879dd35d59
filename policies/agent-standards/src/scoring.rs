//! The end of a call: each item with its points, and the two scorecards.

use caveat_sdk::{
    Facts, Rule,
    capture::{Ruling, Score},
    facts::{Label, LabelKind, Role, Span},
};
use pack_law::phrase;

use crate::{
    law,
    listening::said,
    settings::{Item, Standard},
};

pub(crate) fn score(standard: &Standard, facts: &Facts, ruling: &mut Ruling) {
    let too_short = facts.now.saturating_sub(facts.began) < standard.judged_from_ms;
    if too_short || phrase::legs_of(facts, Role::Agent).is_empty() {
        return;
    }
    let (mut training, mut oversight) = (Card::default(), Card::default());
    let mut judged = |item: &Item, points: i16| {
        if item.training {
            training.add(points, item.points);
        }
        if item.oversight {
            oversight.add(points, item.points);
        }
    };
    let mut latest = 0;
    for item in standard.required.iter().filter(|item| item.is_for(facts.direction)) {
        let place = first(item, LabelKind::RequiredPhrase, facts);
        let early = standard.in_order && place.is_some_and(|place| place.start < latest);
        latest = latest.max(place.map_or(0, |place| place.start));
        let points = required(item, place, early, ruling);
        judged(item, points);
        write(ruling, &law::REQUIRED_PHRASE, points, item.points, place);
    }
    for item in &standard.forbidden {
        let place = first(item, LabelKind::ForbiddenPhrase, facts);
        judged(item, if place.is_some() { 0 } else { item.points });
    }
    for (rule, card) in [(&law::TRAINING_SCORECARD, training), (&law::OVERSIGHT_SCORECARD, oversight)] {
        if card.out_of > 0 {
            ruling.because(rule, &format!("{} of {} points.", card.points, card.out_of));
            write(ruling, rule, card.points, card.out_of, None);
        }
    }
}

/// Points of a scorecard.
#[derive(Default)]
struct Card {
    points: i16,
    out_of: i16,
}

impl Card {
    fn add(&mut self, points: i16, out_of: i16) {
        self.points = self.points.saturating_add(points);
        self.out_of = self.out_of.saturating_add(out_of);
    }
}

/// Where it was heard first.
fn first(item: &Item, kind: LabelKind, facts: &Facts) -> Option<Span> {
    let of_item = |label: &&Label| label.kind == kind && item.marked(label);
    facts.labels.iter().filter(of_item).map(|label| label.where_).min_by_key(|place| place.start)
}

/// Its points, and what has to be said about it.
fn required(item: &Item, place: Option<Span>, early: bool, ruling: &mut Ruling) -> i16 {
    let Some(place) = place else {
        let message = said(&item.message, "It was not heard.");
        ruling.because_of(&law::REQUIRED_PHRASE, &item.citation, message);
        ruling.see_to(&law::REQUIRED_PHRASE, "go-through-standard", None);
        return 0;
    };
    let late = item.by_ms.is_some_and(|by| place.start > by);
    if late {
        ruling.because_of(&law::IN_TIME, &item.citation, "It was heard later than the standard says.");
    }
    if early {
        ruling.because_of(
            &law::ORDER,
            &item.citation,
            "It was heard before something that comes earlier in the standard.",
        );
    }
    if late || early { item.points / 2 } else { item.points }
}

fn write(ruling: &mut Ruling, rule: &Rule, points: i16, out_of: i16, place: Option<Span>) {
    ruling.scores.push(Score { rule: rule.id.into(), points, out_of, where_: place });
}
