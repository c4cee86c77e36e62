//! The broker's own files of settings.

use std::path::Path;

use super::ports::Ports;
use crate::embedded::Lifetime;

/// The text of `server.properties`.
pub(super) fn server_properties(data: &Path, ports: Ports, lifetime: Lifetime) -> String {
    let Ports {
        clients,
        controller,
    } = ports;
    let data = escaped(&data.to_string_lossy());
    // One broker keeps everything once, so each internal topic has one replica. A broker that was
    // killed is let in again when its session is over: its own controller waits for that.
    let mut text = format!(
        "\
# Written anew at each start.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{clients}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
controlled.shutdown.max.retries=1
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=4
background.threads=2
"
    );
    // Kafka leaves it to the system when messages reach the disk, and counts on other brokers.
    // There are none: what is lost with the power shall be no more than a second.
    if lifetime == Lifetime::Project {
        text.push_str("log.flush.interval.ms=1000\n");
    }
    text
}

/// A value as `java.util.Properties` reads it.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|character| match character {
            '\\' => "\\\\".chars().collect::<Vec<char>>(),
            ' '..='~' => vec![character],
            _ => {
                let mut units = [0; 2];
                let units = character.encode_utf16(&mut units);
                let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
                escaped.chars().collect()
            }
        })
        .collect()
}

/// The settings of the broker's own log, which goes to the standard output.
pub(super) const LOG: &str = "\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd HH:mm:ss.SSS}{UTC} UTC %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_a_file_of_properties() {
        assert_eq!(escaped("/a b/c=d:e#f!"), "/a b/c=d:e#f!");
        assert_eq!(escaped("/ü\\x😀"), "/\\u00fc\\\\x\\ud83d\\ude00");
    }

    #[test]
    fn only_lasting_data_wait_for_the_disk() {
        let ports = Ports {
            clients: 1,
            controller: 2,
        };
        let text = |lifetime| server_properties(Path::new("/data"), ports, lifetime);
        assert!(text(Lifetime::Project).contains("log.flush.interval.ms"));
        assert!(!text(Lifetime::Ephemeral).contains("log.flush.interval.ms"));
    }
}
