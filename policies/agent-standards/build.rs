//! The rules of `pack.toml`, and `data/judging-words.toml` as a static: each `words` row with its `list`, `citation`, `source` and
//! `confidence`.
//! `stricter` words make nothing laxer.

fn main() {
    pack_law::build::law(&["judging-words.toml"]);
}
