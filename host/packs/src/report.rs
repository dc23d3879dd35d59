//! Colors and tallies shared by the reports.

/// Paints words for a terminal, or leaves them plain.
#[derive(Clone, Copy)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }
    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }
    pub(crate) fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }
    pub(crate) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }
    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
