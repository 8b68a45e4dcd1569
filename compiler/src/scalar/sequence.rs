//! The functions that are about sequences. Their values are no function of their arguments: an expression names what a call gave, and
//! whoever carries the statement out makes the call.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceFunction {
    Nextval,
    Currval,
    Lastval,
    Setval,
}

impl SequenceFunction {
    pub fn named(name: &str) -> Option<SequenceFunction> {
        let all = [Self::Nextval, Self::Currval, Self::Lastval, Self::Setval];
        all.into_iter().find(|function| function.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            SequenceFunction::Nextval => "nextval",
            SequenceFunction::Currval => "currval",
            SequenceFunction::Lastval => "lastval",
            SequenceFunction::Setval => "setval",
        }
    }

    /// Whether it changes what a sequence has counted to.
    pub fn writes(self) -> bool {
        matches!(self, SequenceFunction::Nextval | SequenceFunction::Setval)
    }
}
