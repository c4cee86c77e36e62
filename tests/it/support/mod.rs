//! What several tests need to set a scene.

pub(crate) mod attempt;
pub(crate) mod connections;
pub(crate) mod document;
pub(crate) mod eventually;
pub(crate) mod fault_server;
pub(crate) mod kafka;
pub(crate) mod kafka_proxy;
pub(crate) mod postgres;
pub(crate) mod project;
pub(crate) mod proxy;
pub(crate) mod s3;
