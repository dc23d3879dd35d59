//! The rules of `pack.toml` and the rows of `data/` as statics. A row has `citation`, `source` and `confidence`; a `period` its
//! `years`, `months` or `days` (with `strict-years` or `strict-months` until counsel confirms them) and a `why`; `words` their
//! `list`.
//! `stricter` words make nothing laxer.
//! `checked` says when a row was last held against which text.

fn main() {
    pack_law::build::law(&["periods.toml", "words.toml"]);
}
