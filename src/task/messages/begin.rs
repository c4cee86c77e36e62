//! Where to begin in partitions.

use std::collections::BTreeMap;

use super::feed::{Bound, Start, Truncated};
use crate::connection::kafka::{Bounds, KafkaCluster};
use crate::task::{Log, TaskFailure};

/// The offset to begin at in each of some partitions. `known` is where the stream stands in those
/// that it has read.
///
/// # Errors
/// Messages were deleted before they were read; the topic has gone; no broker answers.
pub(in crate::task) async fn begins(
    cluster: &KafkaCluster,
    bound: &Bound,
    known: &[(i32, i64)],
    partitions: &[i32],
    truncated: Truncated,
    log: &Log,
) -> Result<Vec<(i32, i64)>, TaskFailure> {
    let topic = &bound.topic;
    let bounds: BTreeMap<i32, Bounds> = cluster.bounds(topic).await?.into_iter().collect();
    let known: BTreeMap<i32, i64> = known.iter().copied().collect();
    let all_new = partitions.iter().all(|number| !known.contains_key(number));
    let firsts = if known.is_empty() && all_new {
        firsts(cluster, bound).await?
    } else {
        // A partition that was added to a topic that is read: all of it is new.
        BTreeMap::new()
    };
    let mut begins = Vec::with_capacity(partitions.len());
    for &number in partitions {
        let Some(&Bounds { low, high }) = bounds.get(&number) else {
            return Err(TaskFailure::retryable(format!(
                "partition {number} of topic `{topic}` has gone"
            )));
        };
        let next = match known.get(&number) {
            Some(next) => *next,
            None => match firsts.get(&number) {
                Some(First::Low) | None => low,
                Some(First::High) => high,
                Some(First::At(offset)) => *offset,
            },
        };
        if next > high {
            return Err(TaskFailure::permanent(format!(
                "partition {number} of topic `{topic}` ends at offset {high}, but {next} is to be \
                 read next: the topic was made anew; let the group `{}` forget it to begin anew",
                bound.group
            )));
        }
        if next < low {
            let lost = format!(
                "messages {next} to {} of partition {number} of topic `{topic}` were deleted \
                 before they were read",
                low - 1
            );
            if truncated == Truncated::Fail {
                return Err(TaskFailure::permanent(format!(
                    "{lost}: set `truncated: continue` to go on with those that are left"
                )));
            }
            log.warn(format!("{lost}: going on with {low}"));
        }
        begins.push((number, next.max(low)));
    }
    Ok(begins)
}

#[derive(Debug, Clone, Copy)]
enum First {
    Low,
    High,
    At(i64),
}

/// Where a group begins that hasn't read the topic yet.
async fn firsts(
    cluster: &KafkaCluster,
    bound: &Bound,
) -> Result<BTreeMap<i32, First>, TaskFailure> {
    let topic = &bound.topic;
    let found: BTreeMap<i32, First> = match bound.start {
        Start::Earliest | Start::Latest => {
            let first = match bound.start {
                Start::Latest => First::High,
                _ => First::Low,
            };
            let bounds = cluster.bounds(topic).await?;
            bounds
                .into_iter()
                .map(|(number, _)| (number, first))
                .collect()
        }
        Start::Time(time) => {
            let found = cluster.at_time(topic, time.timestamp_millis()).await?;
            let places = found.into_iter();
            places
                .map(|place| (place.partition.number, First::At(place.next)))
                .collect()
        }
        Start::Stored => {
            let stored = cluster.lag(&bound.group, topic).await?;
            if stored.iter().all(|place| place.next.is_none()) {
                return Err(TaskFailure::permanent(format!(
                    "the brokers have no offset of group `{}` in topic `{topic}`: set `start` to \
                     `earliest` or `latest`",
                    bound.group
                )));
            }
            let places = stored.into_iter();
            places
                .map(|place| {
                    let first = place.next.map_or(First::Low, First::At);
                    (place.partition.number, first)
                })
                .collect()
        }
    };
    Ok(found)
}
