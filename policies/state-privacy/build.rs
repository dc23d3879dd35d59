//! The rules of `pack.toml` and the rows of `data/` as statics. A row has `citation`, `source` and `confidence`; a `period` its
//! `months` or `days` and a `why`; `number` its `value`; `words` their `list`.
//! `checked` says when a row was last held against which text.

fn main() {
    pack_law::build::law(&["numbers.toml", "periods.toml", "words.toml"]);
}
