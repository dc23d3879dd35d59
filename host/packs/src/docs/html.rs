//! The page as one HTML file: no script, nothing to load, made to be printed.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Answer, CasePage, Page, RulePage, Said, Word,
    prose::{Piece, pieces},
    tables::DataTable,
};

pub(super) fn write(page: &Page) -> String {
    let title = format!("{} {}", page.title, page.version);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (head(page))
                main id="main" {
                    (contents(page))
                    (stages(page))
                    (settings(page))
                    (rules(page))
                    (words("facts", "Facts it reads", super::markdown::FACTS, &page.facts))
                    (words("actions", "What it asks people to do", super::markdown::ACTIONS, &page.actions))
                    (words("exceptions", "Where worse facts may make it laxer", super::markdown::EXCEPTIONS, &page.exceptions))
                    (tables(page))
                    (sign_off(page))
                }
                footer { p { "Made from the manifest, the settings schema, the tables and the cases of the pack. Not legal advice." } }
            }
        }
    }
    .into_string()
}

fn head(page: &Page) -> Markup {
    html! {
        header {
            p.kicker { "Rule pack for recorded calls" }
            h1 { (prose(&page.title)) }
            p.lead { (prose(&page.summary)) }
            dl.meta {
                dt { "Pack" } dd { code { (page.name) } " " (page.version) }
                @if !page.aliases.is_empty() { dt { "Also called" } dd { (page.aliases.join(", ")) } }
                dt { "Digest" } dd { @match &page.digest { Some(digest) => code { (digest) }, None => "not built" } }
                dt { "Contract" } dd { "caveat:policy " (page.contract) }
                @if !page.license.is_empty() { dt { "License" } dd { (page.license) } }
            }
            p.notice role="note" { (super::markdown::NOT_ADVICE) }
            p { (super::markdown::where_from(page)) }
        }
    }
}

fn contents(page: &Page) -> Markup {
    html! {
        nav aria-label="Contents" {
            ol {
                li { a href="#asked" { "What it is asked" } }
                @if !page.settings.is_empty() { li { a href="#settings" { "What a client can set" } } }
                li { a href="#rules" { "Rules" } ol {
                    @for rule in &page.rules { li { a href={ "#rule-" (rule.id) } { (prose(&rule.title)) } } }
                } }
                @if !page.facts.is_empty() { li { a href="#facts" { "Facts it reads" } } }
                @if !page.actions.is_empty() { li { a href="#actions" { "What it asks people to do" } } }
                @if !page.exceptions.is_empty() { li { a href="#exceptions" { "Where worse facts may make it laxer" } } }
                @if !page.tables.is_empty() { li { a href="#tables" { "Tables" } } }
                li { a href="#sign-off" { "Sign-off" } }
            }
        }
    }
}

fn stages(page: &Page) -> Markup {
    html! {
        section aria-labelledby="asked" {
            h2 id="asked" { "What it is asked" }
            table {
                thead { tr { th scope="col" { "Stage" } th scope="col" { "Question" } th scope="col" { "If the pack fails" } } }
                tbody { @for stage in &page.stages {
                    tr { th scope="row" { (stage.name) } td { (stage.asked) } td { (stage.on_failure) } }
                } }
            }
        }
    }
}

fn settings(page: &Page) -> Markup {
    html! {
        @if !page.settings.is_empty() {
            section aria-labelledby="settings" {
                h2 id="settings" { "What a client can set" }
                div.wide { table {
                    thead { tr { th scope="col" { "Setting" } th scope="col" { "Value" } th scope="col" { "Default" } th scope="col" { "Meaning" } } }
                    tbody { @for row in &page.settings {
                        tr { th scope="row" { code { (row.name) } } td { (prose(&row.kind)) } td { (prose(&row.default)) } td { (prose(&row.meaning)) } }
                    } }
                } }
            }
        }
    }
}

fn rules(page: &Page) -> Markup {
    html! {
        section aria-labelledby="rules" {
            h2 id="rules" { "Rules" }
            p { (super::markdown::RULES) }
            @for rule in &page.rules { (self::rule(rule)) }
            @if !page.other_cases.is_empty() {
                article.rule { h3 { "Cases that name no rule" } @for case in &page.other_cases { (self::case(case, None)) } }
            }
        }
    }
}

fn rule(rule: &RulePage) -> Markup {
    html! {
        article.rule id={ "rule-" (rule.id) } {
            span.id { (rule.id) }
            h3 { (prose(&rule.title)) }
            p { (prose(&rule.summary)) }
            dl.facts {
                dt { "Authority" } dd { (prose(&rule.citation)) }
                dt { "How sure" } dd { @match rule.confidence {
                    Some(words) => span.tag.(rule.mark) { (words.trim_end_matches('.')) },
                    None => "The author does not say.",
                } }
            }
            @for case in &rule.cases { (self::case(case, Some(&rule.id))) }
            @if !rule.see_also.is_empty() {
                p { "Also shown by:" }
                ul { @for (number, name, speaks) in &rule.see_also {
                    li { a href={ "#case-" (number) } { "Case " (number) } ", " (prose(name)) " " (side(*speaks)) }
                } }
            }
        }
    }
}

fn side(speaks: Option<bool>) -> Markup {
    html! { @match speaks {
        Some(true) => span.tag.speaks { "the rule applies" },
        Some(false) => span.tag.silent { "the rule does not apply" },
        None => {},
    } }
}

fn case(case: &CasePage, rule: Option<&str>) -> Markup {
    let speaks = rule.and_then(|id| case.rules.iter().find(|(other, _)| other == id)).and_then(|(_, s)| *s);
    html! {
        section.case id={ "case-" (case.number) } {
            header {
                h4 { "Case " (case.number) ": " (prose(&case.name)) }
                (side(speaks))
                span.place { (case.place) }
            }
            @if let Some(settings) = &case.settings { p.known { "With the settings: " (prose(settings)) "." } }
            @for (n, step) in case.steps.iter().enumerate() {
                div.step {
                    @if !step.known.is_empty() { p.known { @for line in &step.known { (prose(line)) " " } } }
                    p {
                        @if case.steps.len() > 1 { strong { (n + 1) ". " } }
                        @if let Some(seconds) = step.at_s { "After " (seconds) " s: " }
                        (prose(&step.happens))
                    }
                    (answer(&step.answer))
                }
            }
        }
    }
}

fn answer(answer: &Answer) -> Markup {
    html! {
        p.decided { (answer.decided) }
        @if !answer.reasons.is_empty() {
            ul { @for why in &answer.reasons {
                li { (prose(&why.message)) " " @if !why.citation.is_empty() { "(" (prose(&why.citation)) ") " } span.id { (why.rule) } }
            } }
        }
        (list("To be done:", &answer.duties))
        (list("What would change the answer:", &answer.remedies))
        @if !answer.found.is_empty() { p { "Found: " (answer.found.join(", ")) "." } }
    }
}

fn list(title: &str, said: &[Said]) -> Markup {
    html! {
        @if !said.is_empty() {
            p { (title) }
            ul { @for each in said { li { (prose(&each.words)) " " @if let Some(rule) = &each.rule { span.id { (rule) } } } } }
        }
    }
}

fn words(id: &str, title: &str, about: &str, words: &[Word]) -> Markup {
    let kinds = words.iter().any(|word| !word.kind.is_empty());
    html! {
        @if !words.is_empty() {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) }
                p { (about) }
                table {
                    thead { tr { th scope="col" { "Name" } @if kinds { th scope="col" { "Value" } } th scope="col" { "Meaning" } } }
                    tbody { @for word in words {
                        tr { th scope="row" { (word.name) } @if kinds { td { (prose(word.kind)) } } td { (prose(&word.meaning)) } }
                    } }
                }
            }
        }
    }
}

fn tables(page: &Page) -> Markup {
    html! {
        @if !page.tables.is_empty() {
            section aria-labelledby="tables" {
                h2 id="tables" { "Tables" }
                p { (super::markdown::TABLES) }
                @for table in &page.tables { (self::table(table)) }
            }
        }
    }
}

fn table(table: &DataTable) -> Markup {
    let authority = table.rows.iter().any(|row| !row.authority.is_empty());
    let sure = table.rows.iter().any(|row| !row.sure.is_empty());
    html! {
        h3 { (table.name) }
        @if !table.about.is_empty() { pre { (prose(&table.about)) } }
        div.wide { table {
            thead { tr {
                th scope="col" { "Row" } th scope="col" { "Says" }
                @if authority { th scope="col" { "Authority" } }
                @if sure { th scope="col" { "How sure" } }
            } }
            tbody { @for row in &table.rows {
                tr {
                    th scope="row" { (row.name) } td { (prose(&row.says)) }
                    @if authority { td { (prose(&row.authority)) } }
                    @if sure { td { (prose(&row.sure)) } }
                }
            } }
        } }
    }
}

fn sign_off(page: &Page) -> Markup {
    html! {
        section.sign aria-labelledby="sign-off" {
            h2 id="sign-off" { "Sign-off" }
            p { (super::markdown::SIGN_OFF) }
            table {
                tbody {
                    tr { th scope="row" { "Pack" } td { (page.name) " " (page.version) } }
                    tr { th scope="row" { "Digest" } td { code { (page.digest.as_deref().unwrap_or("not built: build the pack before you sign")) } } }
                    @for blank in ["Name", "Capacity", "Date", "Reservations", "Signature"] {
                        tr { th scope="row" { (blank) } td.blank {} }
                    }
                }
            }
        }
    }
}

/// Text with the names in it set apart.
fn prose(text: &str) -> Markup {
    html! { @for piece in pieces(text) {
        @match piece { Piece::Plain(words) => (words), Piece::Name(name) => code { (name) } }
    } }
}
