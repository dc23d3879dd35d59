//! The rules of `pack.toml` and the rows of `data/` as statics. A row has `citation`, `source` and `confidence`; a `period` its
//! `years` and a `why`; `words` their `list`.
//! (`strict-years` until counsel confirms the others); `checked` says when a row was last held against which text.

fn main() {
    pack_law::build::law(&["periods.toml", "words.toml"]);
}
