//! The row of the table, and the configured connection.

use std::sync::Arc;

use schemars::{Schema, json_schema};

use super::address::{self, Address, Settings};
use super::cloud::CloudBucket;
use super::folder::Folder;
use crate::connection::{Bucket, Connection, ConnectionKind, Surroundings};
use crate::document::{FromNode, Node, Spanned, Value};
use crate::secret::Secret;

pub(in crate::connection) const KIND: ConnectionKind = ConnectionKind {
    name: "bucket",
    doc: "Files in a folder or in a cloud's object store: a folder relative to the project, \
          `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`. Keys come from \
          the connection or from the variables that the cloud's own tools read (`AWS_…`, \
          `GOOGLE_…`, `AZURE_…`).",
    example: "bucket: { bucket: bucket/ }\n",
    schema,
    parse,
};

fn schema() -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "examples": ["bucket/", "s3://bucket/prefix"] },
            Settings::schema(),
        ]
    })
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Arc<dyn Connection>> {
    let settings = if let Value::Text(_) = node.value {
        Settings::of_url(Spanned::from_node(node, surroundings.report)?)
    } else if node.as_map().is_some() {
        Settings::from_node(node, surroundings.report)?
    } else {
        surroundings
            .report
            .expected("a folder, a URL or a map with `url`", node);
        return None;
    };
    let root = &surroundings.places.root;
    let address = address::read(
        &settings,
        root,
        surroundings.environment,
        surroundings.report,
    )?;
    let (files, secrets): (Arc<dyn Bucket>, Vec<Secret<String>>) = match address {
        Address::Folder { root, shown } => (Arc::new(Folder::new(root, &shown)), Vec::new()),
        Address::Cloud(address) => {
            let secrets = address.secrets.clone();
            let spool = surroundings.places.state.join("spool");
            (Arc::new(CloudBucket::new(address, spool)), secrets)
        }
    };
    Some(Arc::new(BucketConnection { files, secrets }))
}

/// A configured bucket. Reached at the first use.
#[derive(Debug)]
struct BucketConnection {
    files: Arc<dyn Bucket>,
    secrets: Vec<Secret<String>>,
}

impl Connection for BucketConnection {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn secrets(&self) -> Vec<String> {
        self.secrets
            .iter()
            .map(|secret| secret.reveal().clone())
            .collect()
    }

    fn as_bucket(&self) -> Option<Arc<dyn Bucket>> {
        Some(Arc::clone(&self.files))
    }
}
