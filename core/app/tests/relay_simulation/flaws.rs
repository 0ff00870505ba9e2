//! Bugs that the simulation must find: what it cannot find, it does not test.

/// A way in which the relay, its store or a consumer could be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Progress is written down before the queue has the events.
    RecordsBeforeSending,
    /// A record under an old token counts.
    NoFencing,
    /// A read goes on above the cursor and looks for nothing below it.
    CursorIgnoresLateCommits,
    /// An event is sent though an earlier one of its aggregate is held.
    HeldAggregateOvertaken,
    /// The low position follows the cursor, whoever is still writing below it.
    LowIgnoresHorizon,
    /// It moves once nobody writes below it any more, though what was written is not dealt with.
    LowLooksAtNow,
    /// A consumer applies whatever it gets.
    NoInbox,
}

impl Flaw {
    pub(crate) const ALL: [Self; 7] = [
        Self::RecordsBeforeSending,
        Self::NoFencing,
        Self::CursorIgnoresLateCommits,
        Self::HeldAggregateOvertaken,
        Self::LowIgnoresHorizon,
        Self::LowLooksAtNow,
        Self::NoInbox,
    ];
}
