//! Logs of a server: what it has sent of them so far, in files of their own.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::model::RunId;
use crate::operate::log::LogFile;
use crate::remote::Server;
use crate::task::Rendered;

/// Copies of logs, up to where they were sent.
pub struct Copies<'a> {
    pub server: &'a Server,
    /// It goes away with us.
    pub folder: tempfile::TempDir,
    /// Those that are whole.
    whole: HashSet<PathBuf>,
}

impl<'a> Copies<'a> {
    /// Nothing has been sent yet.
    pub fn new(server: &'a Server) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("runner-logs-").tempdir();
        Ok(Self {
            server,
            folder: folder.context("no folder can be made for what is sent")?,
            whole: HashSet::new(),
        })
    }

    /// Gets what isn't here yet.
    pub async fn fetch(&mut self, run: &RunId, files: &[LogFile]) -> anyhow::Result<()> {
        for file in files {
            if self.whole.contains(&file.path) {
                continue;
            }
            self.fetch_one(run, file).await?;
            if file.ended {
                self.whole.insert(file.path.clone());
            }
        }
        Ok(())
    }

    /// What an attempt has executed.
    pub async fn rendered(&self, run: &RunId, file: &LogFile) -> anyhow::Result<Vec<Rendered>> {
        #[derive(serde::Deserialize)]
        struct Answer {
            rendered: Vec<Rendered>,
        }
        let mut query = vec![("attempt", file.attempt.to_string())];
        query.extend(file.id.item.map(|item| ("item", item.to_string())));
        let parts = ["runs", run.as_str(), "tasks", &file.task, "rendered"];
        let json = self.server.get(&parts, &query).await?;
        Ok(self.server.read::<Answer>(&json)?.rendered)
    }

    async fn fetch_one(&self, run: &RunId, file: &LogFile) -> anyhow::Result<()> {
        if let Some(folder) = file.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut copy = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file.path)?;
        let mut query = vec![
            ("from", copy.metadata()?.len().to_string()),
            ("attempt", file.attempt.to_string()),
        ];
        query.extend(file.id.item.map(|item| ("item", item.to_string())));
        let parts = ["runs", run.as_str(), "tasks", &file.task, "log"];
        let mut pieces = match self.server.stream(&parts, &query).await {
            Ok(pieces) => pieces,
            // It was begun anew meanwhile.
            Err(refusal) if refusal.is_missing() => return Ok(()),
            Err(refusal) => return Err(refusal.into()),
        };
        while let Some(piece) = pieces.next().await? {
            copy.write_all(&piece)?;
        }
        Ok(())
    }
}
