//! The page about a pack: all that counsel has to see is on it, in both forms, and nothing in a pack is markup.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{fs, path::Path};

use caveat_engine::{Engine, Limits};
use caveat_packs::{DocsFormat, Manifest, PackFile, Page};
use support::{Behavior, MANIFEST, component, component_with, pack};

fn engine() -> Engine {
    Engine::new(Limits::default(), None).unwrap()
}

/// As HTML shows it: names between backticks are set apart.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let parts = text.split('`').enumerate();
    parts.map(|(n, part)| if n % 2 == 0 { part.to_owned() } else { format!("<code>{part}</code>") }).collect()
}

fn names_of_cases(dir: &Path) -> Vec<String> {
    let files =
        fs::read_dir(dir.join("cases")).unwrap().map(|e| fs::read_to_string(e.unwrap().path()).unwrap());
    let tables = files.map(|text| text.parse::<toml::Table>().unwrap());
    let names = |t: toml::Table| -> Vec<String> {
        t["case"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    };
    tables.flat_map(names).collect()
}

#[test]
fn every_rule_citation_setting_fact_and_case_of_the_shipped_packs_is_on_the_page() {
    let engine = engine();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for dir in [
        "policies/hipaa-hitech",
        "policies/pci-dss",
        "policies/state-consent",
        "examples/house-standard-rust",
    ] {
        let dir = root.join(dir);
        let manifest = Manifest::open(&dir).unwrap();
        let page = Page::of_folder(&engine, &dir, None).unwrap();
        let html = page.write(DocsFormat::Html);
        let markdown = page.write(DocsFormat::Markdown);
        for rule in &manifest.rules {
            for text in [&rule.id, &rule.citation, &rule.title, &rule.summary] {
                assert!(html.contains(&escaped(text)), "{text}");
            }
            assert!(html.contains(&format!("id=\"rule-{}\"", rule.id)), "{}", rule.id);
            assert!(markdown.contains(&format!("\n`{}`\n", rule.id)), "{}", rule.id);
        }
        let cases = names_of_cases(&dir);
        assert!(!cases.is_empty());
        for name in &cases {
            assert!(html.contains(&escaped(name)), "{name}");
        }
        assert_eq!(html.matches("<section class=\"case\"").count(), cases.len(), "each case is told once");
        assert_eq!(markdown.matches("\n#### Case ").count(), cases.len());
        for fact in &manifest.facts {
            assert!(html.contains(&fact.name) && html.contains(&escaped(&fact.summary)), "{}", fact.name);
        }
        let settings = page.settings.iter().map(|s| &s.name);
        assert!(settings.clone().count() > 0);
        settings.for_each(|name| assert!(html.contains(&format!("<code>{name}</code>")), "{name}"));
        assert!(html.contains("Not legal advice") && markdown.contains("Not legal advice"));
        assert!(html.contains("not built: build the pack before you sign"));
        let tables = dir.join("data").is_dir();
        assert_eq!(html.contains("<h2 id=\"tables\">"), tables);
    }
}

#[test]
fn a_page_of_a_built_pack_says_what_the_pack_said() {
    let manifest = Manifest::parse(Path::new("pack.toml"), MANIFEST).unwrap();
    let case = caveat_packs::CaseText {
        name: "a.toml".into(),
        text: "[[case]]\nname = \"refused\"\nrules = [\"house.disclosure\", \"house.silent\"]\nevent = \"offered\"\n".into(),
    };
    let behavior = Behavior::Says(2, "house.disclosure");
    let file =
        PackFile::assemble_with(manifest, None, std::slice::from_ref(&case), &component(&behavior)).unwrap();
    let page = Page::of_file(&engine(), &file).unwrap();
    assert_eq!(page.digest, Some(file.digest().to_string()));
    let told = &page.rules[0].cases[0];
    assert_eq!(
        told.rules,
        [("house.disclosure".to_owned(), Some(true)), ("house.silent".to_owned(), Some(false))]
    );
    assert_eq!(told.steps[0].happens, "A call begins, and recording it is offered.");
    assert_eq!(told.steps[0].answer.decided, "It must not be recorded.");
    assert_eq!(page.rules[1].see_also, [(1, "refused".to_owned(), Some(false))]);
    let html = page.write(DocsFormat::Html);
    assert!(html.contains(&file.digest().to_string()) && html.contains("the rule does not apply"));
}

#[test]
fn a_file_of_another_manifest_or_other_cases_lends_no_digest() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pack.toml"), MANIFEST).unwrap();
    let says = Behavior::Says(2, "house.disclosure");
    let digest = |file: &PackFile| Page::of_folder(&engine(), dir.path(), Some(file)).unwrap().digest;
    let same = pack("house-standard", &says, None);
    assert_eq!(digest(&same), Some(same.digest().to_string()));
    assert_eq!(digest(&pack("another", &says, None)), None);
    fs::create_dir(dir.path().join("cases")).unwrap();
    fs::write(dir.path().join("cases/a.toml"), "[[case]]\nname = \"a\"\nevent = \"offered\"\n").unwrap();
    assert_eq!(digest(&same), None);
}

#[test]
fn nothing_in_a_pack_is_markup() {
    let evil = "<script>alert(1)</script> | *x* [y](z) `q`";
    let quoted = toml::Value::String(evil.to_owned()).to_string();
    let text = MANIFEST
        .replace("\"House standard\"", &quoted)
        .replace("\"Manual 3.1\"", &quoted)
        .replace("[[rule]]\nid = \"house.silent\"", &format!("[[fact]]\nname = \"a.b\"\ntype = \"flag\"\nsummary = {quoted}\n[[rule]]\nid = \"house.silent\"\nsummary = {quoted}"));
    let manifest = Manifest::parse(Path::new("pack.toml"), &text).unwrap();
    let case = caveat_packs::CaseText {
        name: "a.toml".into(),
        text: format!("[[case]]\nname = {quoted}\nevent = \"offered\"\n"),
    };
    let module = component_with(&Behavior::Says(0, "house.disclosure"), "");
    let file = PackFile::assemble_with(manifest, None, &[case], &module).unwrap();
    let page = Page::of_file(&engine(), &file).unwrap();
    let html = page.write(DocsFormat::Html);
    assert!(html.matches("&lt;script&gt;").count() >= 5 && !html.contains("<script"));
    let markdown = page.write(DocsFormat::Markdown);
    assert!(!markdown.contains("<script") && !markdown.contains(" | *x*"), "{markdown}");
}

#[test]
fn names_between_backticks_are_set_apart_wherever_an_author_writes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let policies = fs::read_dir(root.join("policies")).unwrap().map(|entry| entry.unwrap().path());
    let dirs: Vec<_> = policies
        .chain([root.join("examples/house-standard-rust")])
        .filter(|dir| dir.join("pack.toml").is_file())
        .collect();
    assert!(dirs.len() > 10);
    let engine = engine();
    let mut set_apart = 0;
    for dir in &dirs {
        let html = Page::of_folder(&engine, dir, None).unwrap().write(DocsFormat::Html);
        let at = html.find('`').map(|at| html[at.saturating_sub(60)..].chars().take(120).collect::<String>());
        assert_eq!(at, None, "{}", dir.display());
        set_apart += html.matches("<code>").count();
    }
    assert!(set_apart > 100, "{set_apart}");

    let text = MANIFEST.replace("citation = \"Manual 3.1\"", "citation = \"Manual 3.1, `max-parties`\"");
    let manifest = Manifest::parse(Path::new("pack.toml"), &text).unwrap();
    let module = component_with(&Behavior::Says(0, "house.disclosure"), "");
    let page = Page::of_file(&engine, &PackFile::assemble(manifest, None, &module).unwrap()).unwrap();
    assert!(page.write(DocsFormat::Html).contains("Manual 3.1, <code>max-parties</code>"));
    assert!(page.write(DocsFormat::Markdown).contains("Manual 3.1, `max-parties`"));
}

#[test]
fn the_page_can_be_read_by_everyone() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/state-consent");
    let html = Page::of_folder(&engine(), &dir, None).unwrap().write(DocsFormat::Html);
    assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">"));
    assert_eq!(html.matches("<h1>").count(), 1);
    assert_eq!(html.matches("<table>").count(), html.matches("</table>").count());
    // Every table but the one to sign says what its columns are; that one says what its rows are.
    assert_eq!(html.matches("<thead>").count() + 1, html.matches("<table>").count());
    assert!(!html.contains("<th>"), "each header says of what it is one");
    for outside in ["http://", "src=", "@import", "url("] {
        let own = html.replace("https://", "");
        assert!(!own.contains(outside), "{outside}: the page loads nothing");
    }
    // Whatever is linked to is there.
    for link in html.split("href=\"#").skip(1) {
        let id = link.split('"').next().unwrap();
        assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[test]
fn what_a_row_was_held_against_is_told_in_words() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/hipaa-hitech");
    let page = Page::of_folder(&engine(), &dir, None).unwrap();
    let text = page.write(DocsFormat::Markdown);
    for told in ["held against the published text; checked 2026-", "from knowledge, held against no text"] {
        assert!(text.contains(told), "{told}");
    }
}
