//! What packs look for in words and keys.
