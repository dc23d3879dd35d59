//! The rules of `pack.toml` and the rows of `data/` as statics. A row has `citation`, `source` and `confidence`; a `period` its
//! `years` (with `strict-years` until counsel confirms them) or `days` and a `why`; a `number` its `value`; `words` their `list`.
//! `stricter` words make nothing laxer.
//! `checked` says when a row was last held against which text.

fn main() {
    pack_law::build::law(&["periods.toml", "numbers.toml", "words.toml"]);
}
