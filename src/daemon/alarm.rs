//! Waits for a moment of the wall clock, as it is set and whether the machine sleeps or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::sync::{Notify, watch};

use crate::model::Timestamp;

/// What wakes a daemon at a moment, or when the clock was set.
#[derive(Debug)]
pub struct Alarm {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Kernel(Kernel),
    /// Rings when a hand does.
    ByHand {
        rang: Arc<Notify>,
        asked: watch::Sender<(u64, Option<Timestamp>)>,
    },
}

/// Rings an [`Alarm::by_hand`], as the kernel does when a moment has come, the clock was set, or the
/// machine wakes.
#[derive(Debug)]
pub struct Hand {
    rang: Arc<Notify>,
    asked: watch::Receiver<(u64, Option<Timestamp>)>,
}

/// A timer of the kernel on the real-time clock (`timerfd_create(2)`). Unlike a timer that counts
/// seconds, it rings when the clock is set, and at once when the machine wakes from a sleep that
/// lasted beyond its moment.
#[derive(Debug)]
struct Kernel {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    timer: TimerFd,
    rang: Notify,
    is_over: AtomicBool,
}

impl Alarm {
    /// An alarm that isn't set, with a thread that hears it.
    ///
    /// # Errors
    /// When the kernel gives no timer or no thread.
    pub fn new() -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            timer: TimerFd::new(ClockId::CLOCK_REALTIME, TimerFlags::TFD_CLOEXEC)?,
            rang: Notify::new(),
            is_over: AtomicBool::new(false),
        });
        let hears = shared.clone();
        std::thread::Builder::new()
            .name("alarm".to_owned())
            .spawn(move || {
                // It also returns when the clock was set.
                while hears.timer.wait().is_ok() && !hears.is_over.load(Ordering::Acquire) {
                    hears.rang.notify_one();
                }
            })?;
        let kind = Kind::Kernel(Kernel { shared });
        Ok(Self { kind })
    }

    /// An alarm that only its hand rings, whatever it is set to: for tests that set the clock.
    #[must_use]
    pub fn by_hand() -> (Self, Hand) {
        let rang = Arc::new(Notify::new());
        let (sender, asked) = watch::channel((0, None));
        let kind = Kind::ByHand {
            rang: rang.clone(),
            asked: sender,
        };
        (Self { kind }, Hand { rang, asked })
    }

    /// Waits until the clock shows `until`, or until somebody sets the clock: whoever waits looks
    /// at it again, and may be called once more in vain. May be dropped at any time.
    ///
    /// # Errors
    /// When the kernel refuses the moment.
    pub async fn ring(&self, until: Timestamp) -> std::io::Result<()> {
        match &self.kind {
            Kind::Kernel(Kernel { shared }) => {
                shared.set(until)?;
                shared.rang.notified().await;
            }
            Kind::ByHand { rang, asked } => {
                asked.send_modify(|(times, at)| {
                    *times += 1;
                    *at = Some(until);
                });
                rang.notified().await;
            }
        }
        Ok(())
    }
}

impl Hand {
    /// Rings, and gives the moment that the alarm is set to next; `None`: nobody waits any more.
    pub async fn ring(&mut self) -> Option<Timestamp> {
        let (times, _) = *self.asked.borrow();
        self.rang.notify_one();
        let next = self.asked.wait_for(|(now, _)| *now > times).await.ok()?;
        next.1
    }

    /// The moment that the alarm is set to, once it is.
    pub async fn is_set(&mut self) -> Option<Timestamp> {
        let set = self.asked.wait_for(|(times, _)| *times > 0).await.ok()?;
        set.1
    }
}

impl Shared {
    fn set(&self, until: Timestamp) -> std::io::Result<()> {
        // An absolute time of zero would disarm it; what has passed rings at once.
        let since = (until - Timestamp::UNIX_EPOCH).max(TimeDelta::nanoseconds(1));
        let at = TimeSpec::new(since.num_seconds(), i64::from(since.subsec_nanos()));
        let flags =
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        match self.timer.set(Expiration::OneShot(at), flags) {
            // The clock was set since the last look; it is set all the same.
            Ok(()) | Err(Errno::ECANCELED) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes the thread for the last time; without, it sleeps until the process ends.
        let _ = self.shared.set(Timestamp::UNIX_EPOCH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::clock::now;

    #[tokio::test]
    async fn it_rings_when_its_moment_has_come() {
        let alarm = Alarm::new().unwrap();
        for wait in [-3_600_000, 0, 30, 5] {
            let until = now() + TimeDelta::milliseconds(wait);
            while now() < until {
                alarm.ring(until).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn another_moment_may_be_set_before_it_rings() {
        let alarm = Alarm::new().unwrap();
        let far = now() + TimeDelta::days(300);
        tokio::select! {
            biased;
            _ = alarm.ring(far) => panic!("it rang too early"),
            () = tokio::task::yield_now() => {}
        }
        let near = now() + TimeDelta::milliseconds(10);
        alarm.ring(near).await.unwrap();
        assert!(now() >= near);
    }
}
