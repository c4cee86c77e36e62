//! The thread that parts the records and stores them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::definition::Files;
use super::route::Router;
use crate::connection::Bucket;
use crate::data::{Batch, Columns, DataError, Layout, Piece, Revised, Revision, Spool};
use crate::task::TaskFailure;
use crate::template::Scope;

/// Bytes of rows that are held in memory before they go to a file aside.
const HELD: usize = 16 * 1024 * 1024;

/// What the thread is told.
pub(super) enum Order {
    /// Parts the rows of a batch; the number of its first row in the stream.
    Rows(Batch, u64),
    /// Answers: all rows before it have their files.
    Tell(oneshot::Sender<()>),
    /// Stores what there is and goes on.
    Store,
    /// Stores the rest and ends.
    Finish,
}

/// A row that has no file.
pub(super) struct Misfit {
    pub(super) row: u64,
    pub(super) reason: String,
    pub(super) record: String,
}

/// What was stored.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) files: usize,
    pub(super) revised: Revised,
    /// Files that had this load already.
    pub(super) earlier: usize,
    /// The first files, by their names for people.
    pub(super) made: Vec<String>,
}

/// What the thread works with.
pub(super) struct Work {
    pub(super) files: Arc<Files>,
    pub(super) store: Arc<dyn Bucket>,
    pub(super) scope: Scope,
    pub(super) columns: Columns,
    /// The name of this load: equal for all its attempts.
    pub(super) load: String,
    /// The folder for what has to be put aside.
    pub(super) folder: PathBuf,
    /// Whether the first row without a file is the end.
    pub(super) strict: bool,
    pub(super) misfits: Arc<Mutex<Vec<Misfit>>>,
}

/// Why it has ended.
pub(super) enum Broken {
    Misfit(Misfit),
    Failed(TaskFailure),
}

impl<E: Into<TaskFailure>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Work {
    /// Carries the orders out; without a last one nothing more is stored.
    pub(super) fn run(self, mut orders: mpsc::Receiver<Order>) -> Result<Stored, Broken> {
        let files = Arc::clone(&self.files);
        let mut router = Router::bind(&files.path, &self.columns, self.scope.clone())?;
        let (format, compression) = files.format(&files.path.text)?;
        let layout = Layout::new(
            self.columns.clone(),
            format,
            compression,
            files.mode,
            &files.key,
        )?;
        let layout = Arc::new(layout);
        let mut spool = Spool::new(&self.folder, HELD);
        let mut stored = Stored::default();
        let only = match router.only() {
            Some(only) => Some(only.map_err(TaskFailure::permanent)?),
            None => None,
        };
        if only.is_some() {
            spool.add_target();
        }
        while let Some(order) = orders.blocking_recv() {
            match order {
                Order::Rows(batch, first) => {
                    for row in 0..batch.rows() {
                        let found = match only {
                            Some(only) => Ok(only),
                            None => router.find(&batch, row),
                        };
                        match found {
                            Ok(target) => {
                                if target == spool.targets() {
                                    spool.add_target();
                                }
                                spool.add(target, |buffer| layout.encode(&batch, row, buffer));
                            }
                            Err(reason) => self.misfit(&batch, row, first, &reason)?,
                        }
                    }
                    spool.relieve()?;
                }
                Order::Tell(done) => {
                    // Who doesn't wait any more needs no answer.
                    let _ = done.send(());
                }
                Order::Store | Order::Finish => {
                    let last = matches!(order, Order::Finish);
                    let mut begun: Vec<(String, Piece)> =
                        router.take().into_iter().zip(spool.take()).collect();
                    // The one file is there afterwards even if it has no record.
                    let wanted = |piece: &Piece| piece.rows > 0 || (last && stored.files == 0);
                    begun.retain(|(_, piece)| wanted(piece));
                    self.store(&layout, begun, &mut stored)?;
                    if last {
                        return Ok(stored);
                    }
                    if only.is_some() {
                        router.only();
                        spool.add_target();
                    }
                }
            }
        }
        Ok(stored)
    }

    fn misfit(&self, batch: &Batch, row: usize, first: u64, reason: &str) -> Result<(), Broken> {
        let misfit = Misfit {
            row: first + row as u64,
            reason: format!("`file`: {reason}"),
            record: Json::Object(batch.row_as_json(row)).to_string(),
        };
        if self.strict {
            return Err(Broken::Misfit(misfit));
        }
        let mut misfits = self.misfits.lock().unwrap_or_else(PoisonError::into_inner);
        misfits.push(misfit);
        Ok(())
    }

    /// Stores each file's rows, some files at a time.
    fn store(
        &self,
        layout: &Arc<Layout>,
        begun: Vec<(String, Piece)>,
        stored: &mut Stored,
    ) -> Result<(), DataError> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| DataError::file(&self.folder, error))?;
        let width = self.store.width().min(begun.len());
        let begun: Vec<(String, Mutex<Option<Piece>>)> = begun
            .into_iter()
            .map(|(path, piece)| (path, Mutex::new(Some(piece))))
            .collect();
        let next = AtomicUsize::new(0);
        let runtime = Handle::current();
        let one = || -> Result<Stored, DataError> {
            let _entered = runtime.enter();
            let mut own = Stored::default();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((path, piece)) = begun.get(at) else {
                    return Ok(own);
                };
                let piece = piece.lock().unwrap_or_else(PoisonError::into_inner).take();
                let done = self.store_one(layout, path, piece.unwrap_or_default(), &mut own);
                if done.is_err() {
                    // The others end, too: another attempt does the rest.
                    next.store(begun.len(), Ordering::Relaxed);
                    done?;
                }
            }
        };
        let ended: Vec<Result<Stored, DataError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..width).map(|_| scope.spawn(one)).collect();
            let mut ended = vec![one()];
            ended.extend(threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| {
                    Err(DataError::Source {
                        message: "a thread that stores files has stopped".to_owned(),
                        retryable: true,
                    })
                })
            }));
            ended
        });
        for own in ended {
            stored.add(own?);
        }
        Ok(())
    }

    fn store_one(
        &self,
        layout: &Arc<Layout>,
        path: &str,
        piece: Piece,
        own: &mut Stored,
    ) -> Result<(), DataError> {
        let revision = Revision {
            layout: Arc::clone(layout),
            piece,
            folder: self.folder.clone(),
        };
        let revised = self.store.revise(path, Some(&self.load), &revision)?;
        let done = Stored {
            rows: revision.piece.rows,
            bytes: revision.piece.bytes(),
            files: 1,
            revised: revised.unwrap_or_default(),
            earlier: usize::from(revised.is_none()),
            made: vec![self.store.shown(path)],
        };
        own.add(done);
        Ok(())
    }
}

impl Stored {
    /// Names that are kept.
    const MADE: usize = 100;

    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.files += other.files;
        self.revised.added += other.revised.added;
        self.revised.replaced += other.revised.replaced;
        self.earlier += other.earlier;
        for made in other.made {
            if self.made.len() < Self::MADE && !self.made.contains(&made) {
                self.made.push(made);
            }
        }
    }
}
