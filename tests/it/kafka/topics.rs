//! Topics as they are declared, and what is told of them.

use std::collections::BTreeMap;

use runner::connection::kafka::Partition;
use runner::connection::kafka::{ConsumerOptions, Declared, KafkaError, Position, TopicSpec};

use crate::support::kafka::{blocking, cluster, send, shared, topic, unique};

fn spec(name: &str, partitions: u32, config: &[(&str, &str)]) -> TopicSpec {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    TopicSpec {
        name: name.to_owned(),
        partitions,
        replication: Some(1),
        config: config.iter().map(owned).collect::<BTreeMap<_, _>>(),
    }
}

#[tokio::test]
async fn a_declared_topic_is_made_once_and_follows_its_declaration() {
    let cluster = cluster(&shared().await);
    let name = unique("declared");
    let retention = ("retention.ms", "60000");
    let first = spec(&name, 2, &[retention]);
    let at_once = (0..4).map(|_| cluster.declare(&first));
    let outcomes = futures_util::future::join_all(at_once).await;
    let created: Vec<bool> = outcomes
        .into_iter()
        .map(|outcome| {
            let outcome = outcome.expect("a topic");
            assert_eq!(outcome.changed, Vec::<String>::new());
            assert_eq!(outcome.differs, Vec::<String>::new());
            outcome.created
        })
        .collect();
    assert_eq!(created.iter().filter(|created| **created).count(), 1);

    for (declared, changed, differs) in [
        (first.clone(), vec![], vec![]),
        (
            spec(&name, 3, &[("retention.ms", "70000")]),
            vec![
                "1 more partition: keys go to other partitions from now on",
                "retention.ms from 60000 to 70000",
            ],
            vec![],
        ),
        (
            // What isn't declared any more stays.
            spec(&name, 3, &[("cleanup.policy", "compact")]),
            vec!["cleanup.policy from delete to compact"],
            vec![],
        ),
        (spec(&name, 3, &[("retention.ms", "70000")]), vec![], vec![]),
        (
            spec(&name, 1, &[]),
            vec![],
            vec!["it has 3 partitions, 1 are declared, and a topic can't lose any"],
        ),
        (
            TopicSpec {
                replication: Some(3),
                ..spec(&name, 3, &[])
            },
            vec![],
            vec![
                "each message is kept by 1 broker, 3 are declared, and only the cluster's administrator \
                 can move them",
            ],
        ),
    ] {
        let expected = Declared {
            created: false,
            changed: changed.into_iter().map(str::to_owned).collect(),
            differs: differs.into_iter().map(str::to_owned).collect(),
        };
        assert_eq!(cluster.declare(&declared).await.expect("a topic"), expected);
    }
    assert_eq!(cluster.topic(&name).await.expect("it").partitions.len(), 3);
    cluster.remove_topic(&name).await.expect("removed");
    cluster.remove_topic(&name).await.expect("nothing to do");
}

#[tokio::test]
async fn what_a_broker_refuses_is_said() {
    let cluster = cluster(&shared().await);
    let mut said = String::new();
    for declared in [
        spec("a topic", 1, &[]),
        spec("refused", 1, &[("retention", "1")]),
        spec("refused", 1, &[("retention.ms", "soon")]),
        TopicSpec {
            replication: Some(3),
            ..spec("refused", 1, &[])
        },
        spec("refused", 0, &[]),
    ] {
        let error = cluster.declare(&declared).await.expect_err("refused");
        assert!(!error.is_transient(), "{error}");
        said.push_str(&format!("{error}\n"));
    }
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn topics_tell_what_they_have_and_how_far_groups_are() {
    let (cluster, name) = topic("bounds", 2).await;
    send(&cluster, &name, &[(0, "a"), (0, "b"), (1, "c")]).await;
    let bounds = cluster.bounds(&name).await.expect("bounds");
    let high: Vec<(i32, i64)> = bounds.iter().map(|(n, bounds)| (*n, bounds.high)).collect();
    assert_eq!(high, [(0, 2), (1, 1)]);

    let group = unique("group");
    let options = ConsumerOptions {
        group: Some(group.clone()),
        ..ConsumerOptions::default()
    };
    let consumer = cluster.consumer(options).await.expect("a consumer");
    let position = Position {
        partition: Partition::new(&name, 0),
        next: 1,
    };
    let committed = blocking(move || {
        consumer.commit(std::slice::from_ref(&position), true)?;
        // Dropping the consumer while the library's own list of these is alive would hang.
        let committed = consumer.committed(&[position.partition])?;
        consumer.close();
        Ok::<_, KafkaError>(committed)
    });
    let committed = committed.await.expect("committed");
    assert_eq!(committed, [(Partition::new(&name, 0), Some(1))]);
    let lag = cluster.lag(&group, &name).await.expect("a lag");
    let lag: Vec<(Option<i64>, i64)> = lag.iter().map(|at| (at.next, at.lag)).collect();
    assert_eq!(lag, [(Some(1), 1), (None, 1)]);
    let groups = cluster.groups().await.expect("groups");
    assert!(groups.iter().any(|found| found.name == group), "{groups:?}");

    let at_time = cluster.at_time(&name, 0).await.expect("offsets");
    assert_eq!(at_time.iter().map(|at| at.next).collect::<Vec<_>>(), [0, 0]);
    let future = cluster.at_time(&name, i64::MAX / 2).await.expect("offsets");
    assert_eq!(future.iter().map(|at| at.next).collect::<Vec<_>>(), [2, 1]);
    assert!(
        cluster
            .topics()
            .await
            .expect("topics")
            .iter()
            .any(|topic| topic.name == name)
    );
    let wrong = cluster.bounds(&format!("{name}s")).await.expect_err("none");
    assert_eq!(
        wrong.to_string(),
        format!("topic `{name}s` doesn't exist: did you mean `{name}`?")
    );
}
