//! A person who watches while this process works.

use std::io::Write as _;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::exit;
use crate::daemon::{Backfill, Control, Host, News};
use crate::store::StoreError;

/// Between two pictures of what moves by itself.
const FRAME: Duration = Duration::from_millis(100);
/// Between two looks at the news: thousands of tasks a second needn't be told of one by one.
const REST: Duration = Duration::from_millis(10);
/// Most news that are taken at a time.
const NEWS: usize = 1024;

/// Shows what happens.
pub trait Show {
    fn news(&mut self, news: News) -> std::io::Result<()>;

    /// Draws what has moved since.
    fn frame(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a host is to carry out.
pub trait Work: Send + 'static {
    fn host(&mut self) -> &mut Host;

    /// Works until all has ended.
    fn run(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl Work for Host {
    fn host(&mut self) -> &mut Host {
        self
    }

    fn run(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.run_until_idle()
    }
}

impl Work for Backfill {
    fn host(&mut self) -> &mut Host {
        &mut self.host
    }

    fn run(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.run()
    }
}

/// Works and shows it, until the work is done. The first `^C` cancels all runs, and the work ends
/// when they have; the second one ends this process at once, and whatever its tasks have started.
pub async fn attend(
    mut work: impl Work,
    heard: &mut UnboundedReceiver<News>,
    show: &mut impl Show,
) -> anyhow::Result<()> {
    let control = work.host().control();
    let (kill, killed) = oneshot::channel::<()>();
    // By a thread of the runtime, where what a run starts and hears of is at hand: between two of
    // its tasks, no thread has to wake another one.
    let mut working = tokio::spawn(async move {
        tokio::select! {
            ended = work.run() => ended,
            Ok(()) = killed => {
                work.host().kill().await;
                std::process::exit(i32::from(exit::INTERRUPTED))
            }
        }
    });
    let mut kill = Some(kill);
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut signals = Signals::new()?;
    let mut is_cancelling = false;
    let mut news = Vec::new();
    let mut rests = tokio::time::interval(REST);
    rests.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut listens = true;
    loop {
        tokio::select! {
            ended = &mut working => {
                ended??;
                while let Ok(news) = heard.try_recv() {
                    show.news(news)?;
                }
                return Ok(());
            }
            1.. = heard.recv_many(&mut news, NEWS), if listens => {
                for news in news.drain(..) {
                    show.news(news)?;
                }
                rests.reset();
                listens = false;
            }
            _ = rests.tick(), if !listens => listens = true,
            _ = frames.tick() => show.frame()?,
            () = signals.interrupted() => {
                if is_cancelling {
                    if let Some(kill) = kill.take() {
                        let _ = kill.send(());
                    }
                    continue;
                }
                is_cancelling = true;
                writeln!(anstream::stderr(), "cancelling; ^C again kills")?;
                let _ = control.send(Control::CancelAll);
            }
        }
    }
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
