//! People sign in with both factors and hear what each may hear.

use super::{calls::Recordings, show::Show};
use crate::{
    host::Host,
    people::{Heard, PASSWORD, Person, code, loudness},
};

/// Secrets of the second factors.
pub(super) struct People {
    pub(super) trainer: String,
    pub(super) supervisor: String,
    pub(super) admin: String,
}

/// Below this a stretch is silence.
const SILENCE: u32 = 20;
/// Above this somebody speaks.
const SPEECH: u32 = 100;

pub(super) async fn listen(
    host: &Host,
    people: &People,
    recordings: &Recordings,
    show: &mut Show,
) -> anyhow::Result<()> {
    let wrong = Person::sign_in(&host.url, "shop", "tamara", "000000").await;
    show.check("tamara with a wrong code is not let in", wrong.is_err());
    let used = code(&people.trainer, 0)?;
    let trainer = Person::sign_in(&host.url, "shop", "tamara", &used).await?;
    show.check("tamara (trainer) signs in with password and code", true);
    let again = Person::sign_in(&host.url, "shop", "tamara", &used).await;
    show.check("the same code again is not taken", again.is_err());
    let supervisor = Person::sign_in(&host.url, "shop", "sam", &code(&people.supervisor, 0)?).await?;
    let admin = Person::sign_in(&host.url, "shop", "ada", &code(&people.admin, 0)?).await?;
    show.line(&format!("(everybody's password here is `{PASSWORD}`)"));

    let listed = trainer.recordings("training").await?;
    let sealed = listed.iter().filter(|(_, state)| state == "sealed").count();
    show.check(&format!("{sealed} recordings of `shop` are sealed: (a), (c), (d), (f)"), sealed == 4);

    for (who, person, purpose, hears_number) in [
        ("tamara (trainer)", &trainer, "training", false),
        ("sam (supervisor, disputes)", &supervisor, "dispute", true),
    ] {
        match person.play(&recordings.card, purpose).await? {
            Heard::Refused(problem) => show.check(&format!("{who} hears (d): {}", problem["detail"]), false),
            Heard::Sound(channels, decided) => {
                let customer = channels.get(1).map_or(&[][..], Vec::as_slice);
                let loud = |(from, to): (u32, u32)| loudness(customer, from, to);
                let (harmless, number, secret) = (
                    loud(recordings.harmless),
                    loud(recordings.card_number),
                    recordings.card_code.iter().map(|p| loud(*p)).max(),
                );
                show.line(&format!("{who}: {}", summary(&decided)));
                show.check(&format!("{who} hears the conversation"), harmless > SPEECH);
                if hears_number {
                    show.check(&format!("{who} hears the card number: a documented need"), number > SPEECH);
                } else {
                    show.check(&format!("{who} hears silence where the card number is"), number < SILENCE);
                }
                show.check(
                    &format!("{who} hears silence where the verification code was: nobody has it"),
                    secret.is_some_and(|s| s < SILENCE),
                );
            }
        }
    }
    match admin.play(&recordings.card, "oversight").await? {
        Heard::Refused(problem) => {
            show.check(&format!("ada (admin) may not listen: {}", problem["detail"]), true)
        }
        Heard::Sound(..) => show.check("ada (admin) may not listen", false),
    }
    let purposeless = trainer.get(&format!("/v1/recordings/{}/audio", recordings.card)).await?;
    show.check("without a purpose nobody hears anything", purposeless.status().is_client_error());
    Ok(())
}

fn summary(decided: &serde_json::Value) -> String {
    let list = |key: &str| -> Vec<String> {
        decided[key]
            .as_array()
            .into_iter()
            .flatten()
            .map(|v| v.as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let obligations = list("obligations").join(", ");
    let reason = decided["reasons"][0].as_array().map(|r| {
        let part = |i: usize| r.get(i).and_then(|v| v.as_str()).unwrap_or_default();
        format!(" [{}] {}", part(1), part(2))
    });
    format!("{} {obligations}{}", decided["outcome"].as_str().unwrap_or_default(), reason.unwrap_or_default())
}
