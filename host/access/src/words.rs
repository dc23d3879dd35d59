//! Model enums as the words that serde gives them, for columns of text.

use std::fmt;

use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value},
};

/// The word for a unit variant.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    struct Word<'a, T>(&'a T);
    impl<T: Serialize> fmt::Display for Word<'_, T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.serialize(f)
        }
    }
    Word(value).to_string()
}

/// The variant that a word stands for.
pub(crate) fn from_word<'de, T: Deserialize<'de>>(word: &'de str) -> Option<T> {
    let text: value::StrDeserializer<'de, value::Error> = word.into_deserializer();
    T::deserialize(text).ok()
}

#[cfg(test)]
mod tests {
    use caveat_model::{Role, Standing};

    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(word(&Role::Compliance), "compliance");
        assert_eq!(from_word("compliance"), Some(Role::Compliance));
        assert_eq!(from_word::<Role>("king"), None);
        assert_eq!(from_word(&word(&Standing::Terminated)), Some(Standing::Terminated));
    }
}
