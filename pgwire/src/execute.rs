//! The one place where compiler meets engine: statements become plans, plans become rows.

/// What sessions run their statements with; shared by all of them.
#[derive(Clone, Default)]
pub struct Executor {}
