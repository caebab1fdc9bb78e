//! For how long a process has not answered.

use std::time::Duration;

/// So many questions in a row must have gone unanswered: one alone may have met a machine that stood still, or this
/// very program while it was stopped.
const QUESTIONS: u32 = 3;

/// The unanswered questions since the last answer.
#[derive(Debug, Clone, Default)]
pub struct Silence {
    since: Duration,
    questions: u32,
}

impl Silence {
    /// Takes in whether a question went unanswered.
    pub fn note(&mut self, now: Duration, unanswered: bool) {
        if !unanswered {
            self.questions = 0;
            return;
        }
        if self.questions == 0 {
            self.since = now;
        }
        self.questions += 1;
    }

    /// For how long there was no answer; `None` where too little was asked to tell.
    pub fn lasts(&self, now: Duration) -> Option<Duration> {
        (self.questions >= QUESTIONS).then(|| now.saturating_sub(self.since))
    }
}
