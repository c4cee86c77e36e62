//! `runner show`: a DAG's graph, or a run's tasks.

use super::arguments::Show;
use super::context::{Context, runtime};
use super::{find, show_dag, show_run};

pub fn run(context: &Context, command: &Show) -> anyhow::Result<u8> {
    let loaded = context.load()?;
    let is_dag = |dag: &str| dag == command.name;
    let read = loaded.project.iter().flat_map(|p| p.pipelines.keys());
    let broken = loaded.broken.iter().filter_map(|(_, dag)| dag.as_deref());
    if read.map(crate::model::DagId::as_str).any(is_dag) || broken.into_iter().any(is_dag) {
        let (_, pipeline) = context.pipeline(&command.name)?;
        return show_dag::show(&pipeline, command.format);
    }
    runtime()?.block_on(async {
        let store = context.store().await?;
        let run = find::run(context, store.as_ref(), &command.name).await?;
        let shown = show_run::show(context, store.as_ref(), &run, command).await;
        store.close().await;
        shown
    })
}
