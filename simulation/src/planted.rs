//! Bugs that can be planted, to prove that the checks see them.

/// A deliberate fault of the simulated mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Planted {
    /// None: the mesh as it is.
    #[default]
    Nothing,
    /// A msg_server asks the owner without waiting for the routers' confirmations.
    LiveUnconfirmed,
    /// A router confirms what it has not put into its directory yet.
    ConfirmedBeforeApplied,
    /// Nothing is asked again when a router's link is back.
    RoutersBackUnnoticed,
    /// Nothing is asked again when a router says that a msg_server came or went.
    PeersUnnoticed,
    /// The slow question is not asked.
    NoSlowQuestion,
    /// A hole is never read.
    HolesUnread,
    /// The store does not know messages that it has.
    NoDedupe,
    /// What is not answered is sent again in the wrong order.
    ResentBackwards,
    /// What is not answered is never sent again by a msg_server.
    NeverResent,
    /// A message is acknowledged when it was sent to the manager.
    AckedBeforeStored,
    /// An append that turns out to be a duplicate is not published.
    DuplicatesUnpublished,
    /// A manager's refusal is believed, whoever else has the append.
    RefusalsBelieved,
    /// Pairs that a crash left half are not completed.
    PairsLeftHalf,
    /// A session gets its own messages pushed as well.
    OwnPushed,
    /// A login counts as made when a manager answered it.
    LoginsOfTheirAnswers,
    /// A manager takes what came after an append that it refused as too much, though the refusal may be lost.
    RefusalsOvertaken,
    /// What is answered after it was given up is not published.
    LateAnswersIgnored,
    /// What a session has no room for counts as pushed.
    CrowdedForgotten,
}

impl Planted {
    /// All bugs.
    pub const ALL: [Self; 18] = [
        Self::LiveUnconfirmed,
        Self::ConfirmedBeforeApplied,
        Self::RoutersBackUnnoticed,
        Self::PeersUnnoticed,
        Self::NoSlowQuestion,
        Self::HolesUnread,
        Self::NoDedupe,
        Self::ResentBackwards,
        Self::NeverResent,
        Self::AckedBeforeStored,
        Self::DuplicatesUnpublished,
        Self::RefusalsBelieved,
        Self::PairsLeftHalf,
        Self::OwnPushed,
        Self::LoginsOfTheirAnswers,
        Self::RefusalsOvertaken,
        Self::LateAnswersIgnored,
        Self::CrowdedForgotten,
    ];
}
