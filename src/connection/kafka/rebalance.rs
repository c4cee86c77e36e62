//! Partitions that come and go while a consumer of a group polls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::types::RDKafkaRespErr;

use super::consumer::Start;
use super::context::Context;
use super::partitions::{self, Partition};

/// Whoever decides where the partitions begin that a consumer of a group gets. Called by the thread
/// that polls.
pub trait Assignment: Send + Sync {
    /// Where to begin in each of these, in their order.
    ///
    /// # Errors
    /// It can't be said; the next poll gives this text as its error.
    fn assigned(&self, partitions: &[Partition]) -> Result<Vec<Start>, String>;

    /// These go to another consumer. What was read of them and isn't finished must not be committed
    /// any more after this. `lost`: they have gone already.
    fn revoked(&self, partitions: &[Partition], lost: bool);
}

/// What a consumer's context has of its own.
#[derive(Default)]
pub(super) struct Rebalancing {
    assignment: Mutex<Option<Arc<dyn Assignment>>>,
    failure: Mutex<Option<String>>,
}

impl Rebalancing {
    /// Who is asked, for as long as the guard lives.
    pub(super) fn assignment(&self) -> MutexGuard<'_, Option<Arc<dyn Assignment>>> {
        self.assignment
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the last rebalance went wrong, told once.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn fail(&self, text: String) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}

impl Context<Rebalancing> {
    fn give(&self, client: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let given: Vec<Partition> = partitions_of(list);
        let handler = self.own.assignment().clone();
        let starts = match handler {
            Some(handler) => handler.assigned(&given),
            None => Ok(vec![Start::Stored; given.len()]),
        };
        let starts = match starts {
            Ok(starts) => starts,
            Err(text) => {
                self.own.fail(text);
                // Nothing is read before the poller has heard of it.
                Vec::new()
            }
        };
        let list = partitions::list_of_starts(given.iter().zip(starts));
        let assigned = match client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => client.incremental_assign(&list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => client.assign(&list),
        };
        if let Err(error) = assigned {
            self.own
                .fail(format!("the partitions can't be read: {error}"));
        }
    }

    fn take(&self, client: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let handler = self.own.assignment().clone();
        if let Some(handler) = handler {
            handler.revoked(&partitions_of(list), client.assignment_lost());
        }
        let taken = match client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => client.incremental_unassign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => client.unassign(),
        };
        if let Err(error) = taken {
            self.own
                .fail(format!("the partitions can't be given back: {error}"));
        }
    }
}

fn partitions_of(list: &TopicPartitionList) -> Vec<Partition> {
    let all = partitions::read_list(list).into_iter();
    all.map(|(partition, _)| partition).collect()
}

impl ConsumerContext for Context<Rebalancing> {
    fn rebalance(
        &self,
        client: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.give(client, list),
            _ => self.take(client, list),
        }
    }
}
