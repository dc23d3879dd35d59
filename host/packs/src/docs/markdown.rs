//! The page as Markdown, with tables as GitHub reads them.

use std::fmt::Write as _;

use super::{
    Answer, CasePage, Page, RulePage, Said, Word,
    prose::{Piece, pieces},
};

pub(super) const NOT_ADVICE: &str = "Not legal advice. A pack encodes facts of law with their citations and how sure its author is; have counsel confirm them.";
pub(super) const RULES: &str =
    "Each rule with its authority, and with the cases that show where it applies and where it does not.";
pub(super) const FACTS: &str = "Beyond what a host knows of every recording, the pack reads these. What nobody tells it is unknown, not false.";
pub(super) const ACTIONS: &str = "Words in which a ruling says what somebody has to do.";
pub(super) const EXCEPTIONS: &str = "Usually a pack is never laxer when a fact gets worse. These are the exceptions, and the law's reason for each.";
pub(super) const TABLES: &str =
    "What the rules look up, row by row, with its authority and how sure the author is.";
pub(super) const SIGN_OFF: &str = "The digest identifies the exact pack that was read: rules, tables, settings schema and cases. Any change gives another.";

/// Where the answers to the cases come from.
pub(super) fn where_from(page: &Page) -> &'static str {
    match (&page.digest, page.from_folder) {
        (Some(_), true) => "The answers below are those that this very pack gave when the page was made.",
        (Some(_), false) => {
            "The answers below are those that this very pack gave when the page was made. Tables that its rules look up are \
             compiled into it: a page made from the pack's folder shows them."
        }
        (None, _) => {
            "The pack was not at hand when the page was made: the answers below are those that its cases expect."
        }
    }
}

pub(super) fn write(page: &Page) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}\n\n{}\n", text(&page.title), text(&page.summary));
    let _ = writeln!(out, "| | |\n|---|---|");
    let digest = page.digest.as_deref().unwrap_or("not built");
    for (name, value) in [
        ("Pack", format!("{} {}", page.name, page.version)),
        ("Also called", page.aliases.join(", ")),
        ("Digest", digest.to_owned()),
        ("Contract", format!("caveat:policy {}", page.contract)),
        ("License", page.license.clone()),
    ] {
        if !value.is_empty() {
            let _ = writeln!(out, "| {name} | {} |", text(&value));
        }
    }
    let _ = writeln!(out, "\n> **{NOT_ADVICE}**\n\n{}\n", where_from(page));
    table(
        &mut out,
        "What it is asked",
        &["Stage", "Question", "If the pack fails"],
        page.stages.iter().map(|s| vec![s.name.clone(), s.asked.into(), s.on_failure.into()]),
    );
    table(
        &mut out,
        "What a client can set",
        &["Setting", "Value", "Default", "Meaning"],
        page.settings
            .iter()
            .map(|s| vec![s.name.clone(), s.kind.clone(), s.default.clone(), s.meaning.clone()]),
    );
    let _ = writeln!(out, "## Rules\n\n{RULES}\n");
    for rule in &page.rules {
        write_rule(&mut out, rule);
    }
    if !page.other_cases.is_empty() {
        let _ = writeln!(out, "### Cases that name no rule\n");
    }
    for case in &page.other_cases {
        write_case(&mut out, case, None);
    }
    words(&mut out, "Facts it reads", &page.facts);
    words(&mut out, "What it asks people to do", &page.actions);
    words(&mut out, "Where worse facts may make it laxer", &page.exceptions);
    for data in &page.tables {
        let rows = data.rows.iter();
        let rows = rows.map(|r| vec![r.name.clone(), r.says.clone(), r.authority.clone(), r.sure.clone()]);
        table(&mut out, &format!("Table {}", data.name), &["Row", "Says", "Authority", "How sure"], rows);
    }
    let _ = writeln!(
        out,
        "## Sign-off\n\n{SIGN_OFF}\n\n| | |\n|---|---|\n| Pack | {} {} |\n| Digest | {digest} |",
        page.name, page.version
    );
    for blank in ["Name", "Capacity", "Date", "Reservations", "Signature"] {
        let _ = writeln!(out, "| {blank} | |");
    }
    out
}

fn write_rule(out: &mut String, rule: &RulePage) {
    let _ = writeln!(out, "### {}\n\n`{}`\n\n{}\n", text(&rule.title), rule.id, text(&rule.summary));
    let sure = rule.confidence.unwrap_or("The author does not say.");
    let _ = writeln!(out, "- **Authority:** {}\n- **How sure:** {sure}\n", text(&rule.citation));
    for case in &rule.cases {
        write_case(out, case, Some(&rule.id));
    }
    for (number, name, speaks) in &rule.see_also {
        let _ = writeln!(out, "- Also shown by case {number}, {}{}", text(name), side(*speaks));
    }
    if !rule.see_also.is_empty() {
        out.push('\n');
    }
}

fn side(speaks: Option<bool>) -> &'static str {
    match speaks {
        Some(true) => " (the rule applies)",
        Some(false) => " (the rule does not apply)",
        None => "",
    }
}

fn write_case(out: &mut String, case: &CasePage, rule: Option<&str>) {
    let speaks = rule.and_then(|id| case.rules.iter().find(|(other, _)| other == id)).and_then(|(_, s)| *s);
    let _ = writeln!(out, "#### Case {}: {}{}\n", case.number, text(&case.name), side(speaks));
    if let Some(settings) = &case.settings {
        let _ = writeln!(out, "With the settings: {}.\n", text(settings));
    }
    for step in &case.steps {
        for line in &step.known {
            let _ = writeln!(out, "{}", text(line));
        }
        let at = step.at_s.map(|s| format!("After {s} s: ")).unwrap_or_default();
        let _ = writeln!(out, "\n{at}{} **{}**\n", text(&step.happens), step.answer.decided);
        write_answer(out, &step.answer);
    }
}

fn write_answer(out: &mut String, answer: &Answer) {
    for why in &answer.reasons {
        let citation =
            if why.citation.is_empty() { String::new() } else { format!(" ({})", text(&why.citation)) };
        let _ = writeln!(out, "- {}{citation} `{}`", text(&why.message), why.rule);
    }
    let said = |out: &mut String, what: &str, all: &[Said]| {
        for each in all {
            let rule = each.rule.as_ref().map(|rule| format!(" `{rule}`")).unwrap_or_default();
            let _ = writeln!(out, "- {what}: {}{rule}", text(&each.words));
        }
    };
    said(out, "To be done", &answer.duties);
    said(out, "Would change the answer", &answer.remedies);
    if !answer.found.is_empty() {
        let _ = writeln!(out, "- Found: {}", answer.found.join(", "));
    }
    out.push('\n');
}

fn words(out: &mut String, title: &str, words: &[Word]) {
    let rows = words.iter().map(|w| vec![w.name.clone(), w.kind.to_owned(), w.meaning.clone()]);
    table(out, title, &["Name", "Value", "Meaning"], rows);
}

fn table(out: &mut String, title: &str, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let rows: Vec<String> = rows
        .map(|row| row.iter().map(|cell| format!("| {} ", text(cell))).collect::<String>() + "|")
        .collect();
    if rows.is_empty() {
        return;
    }
    let rule: String = head.iter().map(|_| "|---").collect();
    let _ = writeln!(out, "## {}\n\n| {} |\n{rule}|\n{}\n", text(title), head.join(" | "), rows.join("\n"));
}

/// Text in which names may stand between backticks, as authors write them; nothing else is markup.
fn text(written: &str) -> String {
    let shown = |piece: Piece<'_>| match piece {
        Piece::Plain(words) => plain(words),
        // What would end a row or look like a tag is safe only as plain text.
        Piece::Name(name) if name.contains(['|', '<', '>', '&', '\\']) => plain(name),
        Piece::Name(name) => format!("`{name}`"),
    };
    pieces(written).into_iter().map(shown).collect()
}

/// Text in which nothing is markup.
fn plain(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
