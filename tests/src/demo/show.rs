//! What people see: chapters, lines, verdicts, and a mark for every step that was checked.

use std::io::IsTerminal;

use serde_json::Value;

/// The screen, and the count of checks.
#[derive(Debug, Default)]
pub(super) struct Show {
    right: usize,
    wrong: Vec<String>,
}

impl Show {
    pub(super) fn chapter(&self, title: &str) {
        println!("\n{}", paint("1", &format!("== {title}")));
    }

    pub(super) fn line(&self, text: &str) {
        println!("   {text}");
    }

    /// A step and whether it came out right.
    pub(super) fn check(&mut self, what: &str, right: bool) {
        if right {
            self.right += 1;
            println!(" {} {what}", paint("32", "ok"));
        } else {
            self.wrong.push(what.to_owned());
            println!(" {} {what}", paint("31", "WRONG"));
        }
    }

    /// A verdict as the host's live feed gives it: who, what, rule, citation.
    pub(super) fn verdict(&self, call: &str, live: &Value) {
        let text = |key: &str| live[key].as_str().unwrap_or_default();
        let color = match text("outcome") {
            "allow" => "32",
            "refuse" => "31",
            _ => "33",
        };
        let state = live["state"].as_str().map(|s| format!(" -> {s}")).unwrap_or_default();
        let call = if call.is_empty() { text("client") } else { call };
        println!("   {call:9} {:16} {}{state}", text("event"), paint(color, text("outcome")));
        for reason in live["reasons"].as_array().into_iter().flatten() {
            let part = |i: usize| reason[i].as_str().unwrap_or_default();
            println!("             {} [{}] {}", paint("2", part(0)), part(1), part(2));
        }
        for duty in live["obligations"].as_array().into_iter().flatten() {
            println!(
                "             must: {} ({})",
                duty[0].as_str().unwrap_or_default(),
                duty[1].as_str().unwrap_or_default()
            );
        }
    }

    /// The count; true if nothing was wrong.
    pub(super) fn summary(&self) -> bool {
        println!();
        for what in &self.wrong {
            println!(" {} {what}", paint("31", "WRONG"));
        }
        println!("{} passed, {} failed", self.right, self.wrong.len());
        self.wrong.is_empty()
    }
}

fn paint(code: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
