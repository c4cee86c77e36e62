//! Trigger rules, judged from counters alone.

use crate::model::{Outcome, TriggerRule};

/// How an end counts for the tasks that need it, and for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Success,
    Failed,
    Skipped,
}

/// Weighs an end. A task that never ran because of a failure, or was cancelled, counts as failed;
/// `continue_on_failure` forgives the task's own failure only.
pub(super) fn weigh(outcome: &Outcome, continue_on_failure: bool) -> Weight {
    match outcome {
        Outcome::Success => Weight::Success,
        Outcome::Failed(_) if continue_on_failure => Weight::Success,
        Outcome::Failed(_) | Outcome::UpstreamFailed | Outcome::Cancelled => Weight::Failed,
        Outcome::Skipped => Weight::Skipped,
    }
}

/// What is known of the tasks that one task needs. Those that a run leaves out aren't in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Needs {
    pub(super) all: u32,
    pub(super) success: u32,
    pub(super) failed: u32,
    pub(super) skipped: u32,
}

impl Needs {
    pub(super) fn add(&mut self, weight: Weight) {
        *self.of(weight) += 1;
    }

    pub(super) fn subtract(&mut self, weight: Weight) {
        let count = self.of(weight);
        *count = count.saturating_sub(1);
    }

    fn of(&mut self, weight: Weight) -> &mut u32 {
        match weight {
            Weight::Success => &mut self.success,
            Weight::Failed => &mut self.failed,
            Weight::Skipped => &mut self.skipped,
        }
    }
}

/// What a rule says of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Wait,
    Start,
    /// It can't hold any more, and no failure is to blame.
    Skip,
    /// It can't hold any more because of a failure.
    UpstreamFailed,
}

/// Judges a rule. A task that needs nothing starts, whatever its rule. Where a failure and something
/// skipped both forbid the start, the failure is named.
pub(super) fn judge(rule: TriggerRule, needs: Needs) -> Verdict {
    use Verdict::{Skip, Start, UpstreamFailed, Wait};
    let Needs {
        all,
        success,
        failed,
        skipped,
    } = needs;
    if all == 0 {
        return Start;
    }
    let done = success + failed + skipped >= all;
    let forbidden = |by_failure: bool, otherwise: bool| match (by_failure, otherwise) {
        (true, _) => Some(UpstreamFailed),
        (false, true) => Some(Skip),
        (false, false) => None,
    };
    let decided = match rule {
        TriggerRule::AllSuccess => forbidden(failed > 0, skipped > 0),
        TriggerRule::AllDone => None,
        TriggerRule::AllFailed => forbidden(false, success > 0 || skipped > 0),
        TriggerRule::AllSkipped => forbidden(failed > 0, success > 0),
        TriggerRule::OneSuccess if success > 0 => Some(Start),
        TriggerRule::OneSuccess => forbidden(done && failed > 0, done),
        TriggerRule::OneFailed if failed > 0 => Some(Start),
        TriggerRule::OneFailed => forbidden(false, done),
        TriggerRule::NoneFailed => forbidden(failed > 0, false),
        TriggerRule::NoneSkipped => forbidden(false, skipped > 0),
        TriggerRule::NoneFailedMinOneSuccess => forbidden(failed > 0, done && success == 0),
    };
    decided.unwrap_or(if done { Start } else { Wait })
}

#[cfg(test)]
mod tests {
    use super::*;
    use TriggerRule::{
        AllDone, AllFailed, AllSkipped, AllSuccess, NoneFailed, NoneFailedMinOneSuccess,
        NoneSkipped, OneFailed, OneSuccess,
    };

    fn verdict(rule: TriggerRule, ends: &str) -> Verdict {
        let mut needs = Needs::default();
        for end in ends.chars() {
            needs.all += 1;
            match end {
                's' => needs.add(Weight::Success),
                'f' => needs.add(Weight::Failed),
                '-' => needs.add(Weight::Skipped),
                _ => {}
            }
        }
        judge(rule, needs)
    }

    /// `s` succeeded, `f` failed, `-` skipped, `.` not ended.
    #[test]
    fn every_rule_says_what_its_name_says() {
        use Verdict::{Skip, Start, UpstreamFailed as Failed, Wait};
        let table = [
            (AllSuccess, "ss", Start),
            (AllSuccess, "s.", Wait),
            (AllSuccess, "f.", Failed),
            (AllSuccess, "-.", Skip),
            (AllSuccess, "-f", Failed),
            (AllDone, "sf-", Start),
            (AllDone, "sf.", Wait),
            (AllFailed, "ff", Start),
            (AllFailed, "f.", Wait),
            (AllFailed, "s.", Skip),
            (AllFailed, "-.", Skip),
            (AllSkipped, "--", Start),
            (AllSkipped, "-.", Wait),
            (AllSkipped, "s.", Skip),
            (AllSkipped, "f.", Failed),
            (OneSuccess, "s.", Start),
            (OneSuccess, "f.", Wait),
            (OneSuccess, "f-", Failed),
            (OneSuccess, "--", Skip),
            (OneFailed, "f.", Start),
            (OneFailed, "s.", Wait),
            (OneFailed, "s-", Skip),
            (NoneFailed, "s-", Start),
            (NoneFailed, "--", Start),
            (NoneFailed, "s.", Wait),
            (NoneFailed, "f.", Failed),
            (NoneSkipped, "sf", Start),
            (NoneSkipped, "s.", Wait),
            (NoneSkipped, "-.", Skip),
            (NoneFailedMinOneSuccess, "s-", Start),
            (NoneFailedMinOneSuccess, "s.", Wait),
            (NoneFailedMinOneSuccess, "--", Skip),
            (NoneFailedMinOneSuccess, "f.", Failed),
        ];
        for (rule, ends, expected) in table {
            assert_eq!(verdict(rule, ends), expected, "{rule:?} of `{ends}`");
        }
        for (_, rule) in TriggerRule::ALL {
            assert_eq!(verdict(*rule, ""), Start, "{rule:?} of nothing");
        }
    }
}
