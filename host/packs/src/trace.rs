//! Where in a pack a failure happened: the last thing that somebody reads who mends the pack.

/// The functions of a pack that were running when it broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The pack's name.
    pub pack: String,
    /// Innermost first.
    pub frames: Vec<String>,
}

impl std::fmt::Display for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "in {}, innermost first:", self.pack)?;
        self.frames.iter().enumerate().try_for_each(|(n, frame)| write!(f, "\n  {n:>3}: {frame}"))
    }
}
