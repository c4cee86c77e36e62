//! How far streams have come: a row a partition, committed together with its data.

use sqlx::Row as _;

use super::ledger::{Ledger, Made};
use super::load::literal;
use super::session::PostgresSession;
use crate::connection::{DatabaseError, HeldPartition, StreamKey, StreamMove};

pub(super) const OFFSETS: Made = Made {
    table: "runner.kafka_offsets",
    what: "the table of Kafka offsets",
    use_of_it: "messages are loaded exactly once with the help of the table `runner.kafka_offsets`",
    create: "
CREATE TABLE IF NOT EXISTS runner.kafka_offsets (
    consumer_group text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    epoch bigint NOT NULL DEFAULT 1,
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, topic, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE runner.kafka_offsets IS
    'How far each topic was loaded into this database: next_offset is the next message of its partition; a deleted row makes its partition begin anew';
",
};

const SELECT: &str = "SELECT partition, next_offset FROM runner.kafka_offsets \
     WHERE consumer_group = $1 AND topic = $2 ORDER BY partition";
// Waits for whoever is loading the partition now.
const TAKE_OVER: &str = "INSERT INTO runner.kafka_offsets AS known \
     (consumer_group, topic, partition, next_offset) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (consumer_group, topic, partition) \
     DO UPDATE SET epoch = known.epoch + 1, moved_at = now() RETURNING next_offset, epoch";

impl Ledger {
    /// Where each partition of a stream goes on.
    pub(super) async fn positions(
        &self,
        session: &mut PostgresSession,
        stream: &StreamKey,
    ) -> Result<Vec<(i32, i64)>, DatabaseError> {
        self.ensure(session, &OFFSETS).await?;
        let read = async |session: &mut PostgresSession| {
            let rows = sqlx::query(SELECT)
                .persistent(false)
                .bind(&stream.group)
                .bind(&stream.topic)
                .fetch_all(&mut session.connection)
                .await?;
            rows.iter()
                .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
                .collect::<Result<Vec<(i32, i64)>, sqlx::Error>>()
        };
        match read(session).await {
            Ok(found) => Ok(found),
            Err(error) => Err(self.failed(session, error, SELECT)),
        }
    }

    /// Takes partitions over, from whoever has them.
    pub(super) async fn take_over(
        &self,
        session: &mut PostgresSession,
        stream: &StreamKey,
        starts: &[(i32, i64)],
    ) -> Result<Vec<HeldPartition>, DatabaseError> {
        self.ensure(session, &OFFSETS).await?;
        let mut starts = starts.to_vec();
        // Always in the same order: two that take over never wait for each other.
        starts.sort_unstable();
        let mut held = Vec::with_capacity(starts.len());
        for (partition, start) in starts {
            let row = sqlx::query(TAKE_OVER)
                .persistent(false)
                .bind(&stream.group)
                .bind(&stream.topic)
                .bind(partition)
                .bind(start)
                .fetch_one(&mut session.connection)
                .await;
            let read = row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
            match read {
                Ok((next, epoch)) => held.push(HeldPartition {
                    partition,
                    next,
                    epoch,
                }),
                Err(error) => return Err(self.failed(session, error, TAKE_OVER)),
            }
        }
        Ok(held)
    }

    /// Moves partitions on; false when somebody has taken one of them over.
    pub(super) async fn advance(
        &self,
        session: &mut PostgresSession,
        stream: &StreamKey,
        moves: &[StreamMove],
    ) -> Result<bool, DatabaseError> {
        if moves.is_empty() {
            return Ok(true);
        }
        let values: Vec<String> = moves
            .iter()
            .map(|StreamMove { held, next }| {
                format!(
                    "({}, {}, {}, {next})",
                    held.partition, held.epoch, held.next
                )
            })
            .collect();
        let sql = format!(
            "UPDATE runner.kafka_offsets AS known \
             SET next_offset = moved.next, moved_at = now() \
             FROM (VALUES {}) AS moved (partition, epoch, expected, next) \
             WHERE known.consumer_group = {} AND known.topic = {} \
             AND known.partition = moved.partition AND known.epoch = moved.epoch \
             AND known.next_offset = moved.expected",
            values.join(", "),
            literal(&stream.group),
            literal(&stream.topic),
        );
        let moved = session.simple(&sql).await?;
        Ok(moved == moves.len() as u64)
    }
}
