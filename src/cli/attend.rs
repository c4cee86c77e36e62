//! A person who watches while this process works.

use std::io::Write as _;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::exit;
use crate::daemon::{Control, Host, News};
use crate::store::StoreError;

/// Between two pictures of what moves by itself.
const FRAME: Duration = Duration::from_millis(100);

/// Shows what happens.
pub trait Show {
    fn news(&mut self, news: News) -> std::io::Result<()>;

    /// Draws what has moved since.
    fn frame(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attended {
    /// There is nothing more to do.
    ToTheEnd,
    /// By the second `^C`: the host must be killed.
    Killed,
}

/// Works and shows it, until the work is done. The first `^C` cancels all runs, and the work ends
/// when they have.
pub async fn attend(
    work: impl Future<Output = Result<(), StoreError>>,
    control: &UnboundedSender<Control>,
    heard: &mut UnboundedReceiver<News>,
    show: &mut impl Show,
) -> anyhow::Result<Attended> {
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut signals = Signals::new()?;
    let mut is_cancelling = false;
    tokio::pin!(work);
    loop {
        tokio::select! {
            ended = &mut work => {
                ended?;
                while let Ok(news) = heard.try_recv() {
                    show.news(news)?;
                }
                return Ok(Attended::ToTheEnd);
            }
            Some(news) = heard.recv() => show.news(news)?,
            _ = frames.tick() => show.frame()?,
            () = signals.interrupted() => {
                if is_cancelling {
                    return Ok(Attended::Killed);
                }
                is_cancelling = true;
                writeln!(anstream::stderr(), "cancelling; ^C again kills")?;
                let _ = control.send(Control::CancelAll);
            }
        }
    }
}

/// Ends this process at once, and whatever its tasks have started.
pub async fn kill(mut host: Host) -> ! {
    host.kill().await;
    std::process::exit(i32::from(exit::INTERRUPTED))
}

/// ^C and SIGTERM.
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Takes them over from now on.
    pub fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one.
    pub async fn interrupted(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
