//! `runner show`: a DAG's graph, or a run's tasks.

use super::arguments::Show;
use super::context::{Context, runtime};
use super::{find, show_dag, show_run};
use crate::operate::dag::Dag;
use crate::operate::run::Known;
use crate::remote::Server;

pub fn run(context: &Context, command: &Show) -> anyhow::Result<u8> {
    if let Some(server) = &context.server {
        return runtime()?.block_on(there(server, command));
    }
    let loaded = context.load()?;
    let is_dag = |dag: &str| dag == command.name;
    let read = loaded.project.iter().flat_map(|p| p.pipelines.keys());
    let broken = loaded.broken.iter().filter_map(|(_, dag)| dag.as_deref());
    if read.map(crate::model::DagId::as_str).any(is_dag) || broken.into_iter().any(is_dag) {
        let (_, pipeline) = context.pipeline(&command.name)?;
        return show_dag::show(&Dag::new(&pipeline), command.format);
    }
    runtime()?.block_on(async {
        let store = context.store().await?;
        let run = find::run(context, store.as_ref(), &command.name).await?;
        let known = Known::read(&context.places.state, store.as_ref(), run).await?;
        store.close().await;
        show_run::show(known, command)
    })
}

/// Asks a server.
async fn there(server: &Server, command: &Show) -> anyhow::Result<u8> {
    if let Some(dag) = server.dag(&command.name).await? {
        return show_dag::show(&dag, command.format);
    }
    let run = server.find(&command.name).await?;
    show_run::show(server.run(&run.id).await?.0, command)
}
