//! Where logs are read: beside the run state, or on a server.

use std::path::Path;
use std::sync::Arc;

use super::copies::Copies;
use crate::cli::context::Context;
use crate::cli::{engage, find};
use crate::model::RunId;
use crate::operate::log::LogFile;
use crate::operate::run::Known;
use crate::store::RunStore;
use crate::task::{Rendered, read_rendered};

/// Where logs are read.
pub enum Place<'a> {
    /// Below the state's folder.
    Here(&'a Path, Arc<dyn RunStore>),
    /// On a server: what it has sent is read here.
    There(Copies<'a>),
}

impl Place<'_> {
    /// The run that a name means.
    pub async fn find(&self, context: &Context, name: &str) -> anyhow::Result<Known> {
        match self {
            Self::Here(state, store) => {
                let run = find::run(context, store.as_ref(), name).await?;
                Ok(Known::read(state, store.as_ref(), run).await?)
            }
            Self::There(copies) => {
                let run = copies.server.find(name).await?;
                Ok(copies.server.run(&run.id).await?.0)
            }
        }
    }

    /// A run as it is now.
    pub async fn look(&self, known: &Known) -> anyhow::Result<Known> {
        match self {
            Self::Here(state, store) => {
                let run = engage::reread(store.as_ref(), &known.run).await?;
                Ok(Known::read(state, store.as_ref(), run).await?)
            }
            Self::There(copies) => Ok(copies.server.run(&known.run.id).await?.0),
        }
    }

    /// The folder that the logs are in.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Here(state, _) => state,
            Self::There(copies) => copies.folder.path(),
        }
    }

    /// What an attempt has executed.
    pub async fn rendered(&self, run: &RunId, file: &LogFile) -> anyhow::Result<Vec<Rendered>> {
        match self {
            Self::Here(..) => read_rendered(&file.path)
                .map_err(|error| anyhow::anyhow!("{}: {error}", file.path.display())),
            Self::There(copies) => copies.rendered(run, file).await,
        }
    }

    /// Gets what isn't here yet.
    pub async fn fetch(&mut self, run: &RunId, files: &[LogFile]) -> anyhow::Result<()> {
        match self {
            Self::Here(..) => Ok(()),
            Self::There(copies) => copies.fetch(run, files).await,
        }
    }
}
