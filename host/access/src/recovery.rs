//! Recovery codes: for who has lost the authenticator. 80 random bits each, kept as SHA-256, each good once in the place of
//! a code of the second factor.

use caveat_model::{ClientId, PersonId};
use caveat_state::sql;

use crate::{AccessError, token};

/// Crockford's digits: none is taken for another when it is written down.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const GROUPS: usize = 4;
const GROUP_CHARS: usize = 4;

/// A new code, as it is shown: `7k3d-q0xv-...`.
fn random() -> String {
    let bits: [u8; GROUPS * GROUP_CHARS] = rand::random();
    let groups = bits
        .chunks(GROUP_CHARS)
        .map(|group| group.iter().map(|b| char::from(DIGITS[usize::from(b % 32)])).collect::<String>());
    groups.collect::<Vec<_>>().join("-")
}

/// What is kept of a code, if the text can be one; hyphens, spaces and case do not matter.
pub(crate) fn digest(text: &str) -> Option<Vec<u8>> {
    let plain: String =
        text.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_lowercase()).take(64).collect();
    let right = plain.len() == GROUPS * GROUP_CHARS && plain.bytes().all(|b| DIGITS.contains(&b));
    right.then(|| token::digest(&plain))
}

/// Puts new codes in the place of whatever codes the person has; as they are shown, once.
pub(crate) async fn renew(
    tx: &mut sqlx::Transaction<'_, sqlx::Any>,
    client: &ClientId,
    person: &PersonId,
    count: usize,
) -> Result<Vec<String>, AccessError> {
    forget(tx, client, person).await?;
    let codes: Vec<String> = std::iter::repeat_with(random).take(count).collect();
    for code in &codes {
        sqlx::query("INSERT INTO access_recovery_code (client, person, code_hash) VALUES ($1, $2, $3)")
            .bind(client.as_str())
            .bind(person.as_str())
            .bind(digest(code).unwrap_or_default())
            .execute(&mut **tx)
            .await
            .map_err(sql("keep a recovery code"))?;
    }
    Ok(codes)
}

/// From now on none of the person's codes is good.
pub(crate) async fn forget(
    tx: &mut sqlx::Transaction<'_, sqlx::Any>,
    client: &ClientId,
    person: &PersonId,
) -> Result<(), AccessError> {
    sqlx::query("DELETE FROM access_recovery_code WHERE client = $1 AND person = $2")
        .bind(client.as_str())
        .bind(person.as_str())
        .execute(&mut **tx)
        .await
        .map_err(sql("forget recovery codes"))?;
    Ok(())
}

/// Uses up a code; false when the person has none such.
pub(crate) async fn use_up(
    tx: &mut sqlx::Transaction<'_, sqlx::Any>,
    client: &ClientId,
    person: &PersonId,
    code_hash: Vec<u8>,
) -> Result<bool, AccessError> {
    let used =
        sqlx::query("DELETE FROM access_recovery_code WHERE client = $1 AND person = $2 AND code_hash = $3")
            .bind(client.as_str())
            .bind(person.as_str())
            .bind(code_hash)
            .execute(&mut **tx)
            .await
            .map_err(sql("use a recovery code"))?;
    Ok(used.rows_affected() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_write_them() {
        let code = random();
        let kept = digest(&code);
        assert!(kept.is_some() && code.len() == 19, "{code}");
        assert_ne!(digest(&random()), kept);
        for written in [code.to_uppercase(), code.replace('-', " "), code.replace('-', "")] {
            assert_eq!(digest(&written), kept, "{written}");
        }
        for none in ["", "123456", &code[1..], "uuuu-uuuu-uuuu-uuuu"] {
            assert_eq!(digest(none), None, "{none}");
        }
    }
}
