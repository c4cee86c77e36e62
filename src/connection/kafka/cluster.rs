//! A cluster, and how clients of it are made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError as Library;
use rdkafka::metadata::Metadata;
use tokio::sync::Mutex;

use super::client::of_client;
use super::consumer::{self, ConsumerOptions, KafkaConsumer};
use super::context::Told;
use super::error::KafkaError;
use super::keeper::Keeper;
use super::producer::{self, KafkaProducer, ProducerOptions};
use super::settings::Settings;
use super::token::Tokens;
use crate::connection::Places;

/// How long a broker may take for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How long a client looks for a broker that has never answered: its address may be wrong.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);

/// How long the project's own server may be away, while its supervisor starts it again.
const OWN_PATIENCE: Duration = Duration::from_mins(1);

/// How often it hears meanwhile why there is none.
const CONNECT_STEP: Duration = Duration::from_millis(500);

/// Where the brokers are.
#[derive(Debug, Clone)]
pub(super) enum Address {
    /// `host:port,host:port`
    Brokers(String),
    /// The project's own server.
    Embedded(Arc<Places>),
}

/// A Kafka cluster. Clones share it. Nothing is opened before the first client.
#[derive(Debug, Clone)]
pub struct KafkaCluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    settings: Settings,
    reached: Mutex<Option<Reached>>,
    /// A broker has answered before: that none does now is no mistake in its address.
    known: AtomicBool,
}

/// Brokers that can be connected to. The project's own server stays up as long as this lives, so
/// every client keeps it.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    pub(super) brokers: Arc<str>,
    keeper: Option<Arc<Keeper>>,
    /// Where clients get their tokens, when they log in with one.
    pub(super) tokens: Option<Tokens>,
}

impl Reached {
    /// What a new client tells, and asks for tokens.
    pub(super) fn told(&self) -> Told {
        Told::new(self.tokens.clone())
    }
}

impl KafkaCluster {
    pub(super) fn new(address: Address, settings: Settings) -> Self {
        Self {
            shared: Arc::new(Shared {
                address,
                settings,
                reached: Mutex::default(),
                known: AtomicBool::new(false),
            }),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Whether it is the project's own server, which only runs while something uses it.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        matches!(self.shared.address, Address::Embedded(_))
    }

    /// The brokers to begin with, `host:port,host:port`, for other programs. Starts the project's
    /// own server, which stays up as long as the cluster lives.
    ///
    /// # Errors
    /// The project's own server can't be had.
    pub async fn brokers(&self) -> Result<String, KafkaError> {
        Ok(self.reach().await?.brokers.to_string())
    }

    /// A client that reads messages. Its methods block: give it a thread.
    ///
    /// # Errors
    /// The settings are refused; the project's own server can't be had. Whether a broker answers is
    /// only found when the client is used.
    pub async fn consumer(&self, options: ConsumerOptions) -> Result<KafkaConsumer, KafkaError> {
        let reached = self.reach().await?;
        consumer::open(&self.shared.settings, reached, options)
    }

    /// A client that sends messages. Its methods may block: give it a thread.
    ///
    /// # Errors
    /// As [`consumer`](Self::consumer).
    pub async fn producer(&self, options: ProducerOptions) -> Result<KafkaProducer, KafkaError> {
        let reached = self.reach().await?;
        producer::open(&self.shared.settings, reached, options)
    }

    /// The way to it; the first one to ask starts the project's own server.
    pub(super) async fn reach(&self) -> Result<Reached, KafkaError> {
        let mut reached = self.shared.reached.lock().await;
        if let Some(reached) = &mut *reached {
            if let Some(keeper) = &reached.keeper {
                reached.brokers = keeper.brokers().into();
            }
            return Ok(reached.clone());
        }
        let login = self.shared.settings.login.as_ref();
        let tokens = login.and_then(Tokens::of);
        let found = match &self.shared.address {
            Address::Brokers(brokers) => Reached {
                brokers: brokers.as_str().into(),
                keeper: None,
                tokens,
            },
            Address::Embedded(places) => {
                let keeper = Keeper::start(places).await?;
                Reached {
                    brokers: keeper.brokers().into(),
                    keeper: Some(keeper),
                    tokens: None,
                }
            }
        };
        Ok(reached.insert(found).clone())
    }

    /// Does something with a client that only looks, away from the async threads. `group` is whose
    /// offsets it sees.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        group: Option<&str>,
        look: impl FnOnce(&Looker) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let reached = self.reach().await?;
        let mut fixed = vec![("enable.auto.commit", "false".to_owned())];
        if let Some(group) = group {
            fixed.push(("group.id", group.to_owned()));
        }
        let config = self.shared.settings.config(&reached.brokers, &[], &fixed);
        let patience = if self.is_embedded() {
            OWN_PATIENCE
        } else if self.shared.known.load(Ordering::Relaxed) {
            PATIENCE
        } else {
            FIRST_PATIENCE
        };
        let looked = off_thread(move || {
            let looker = Looker::open(&config, reached, patience)?;
            look(&looker)
        })
        .await;
        if !matches!(looked, Err(KafkaError::Unreachable { .. })) {
            self.shared.known.store(true, Ordering::Relaxed);
        }
        looked
    }
}

/// A client that only looks. All of its methods block.
pub(super) struct Looker {
    pub(super) client: BaseConsumer<Told>,
    reached: Reached,
    patience: Duration,
}

impl ConsumerContext for Told {}

impl Looker {
    fn open(
        config: &ClientConfig,
        reached: Reached,
        patience: Duration,
    ) -> Result<Self, KafkaError> {
        let client = config
            .create_with_context(reached.told())
            .map_err(|error| KafkaError::of_library("connect", &error, &reached.brokers, None))?;
        Ok(Self {
            client,
            reached,
            patience,
        })
    }

    /// All topics and brokers, as soon as a broker answers; says why none does as soon as that is
    /// certain.
    pub(super) fn metadata(&self) -> Result<Metadata, KafkaError> {
        let deadline = Instant::now() + self.patience;
        loop {
            let error = match self.client.fetch_metadata(None, CONNECT_STEP) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => self.error("connect", &error),
            };
            if !error.is_transient() || Instant::now() > deadline {
                return Err(error);
            }
        }
    }

    /// Hears what the library has to tell.
    fn listen(&self) {
        while self.client.poll(Duration::ZERO).is_some() {}
    }

    pub(super) fn error(&self, action: &str, error: &Library) -> KafkaError {
        self.listen();
        of_client(action, error, &self.reached.brokers, self.client.context())
    }
}

/// Runs what blocks in a thread of its own. Not in tokio's pool: the runtime would wait for it when
/// it ends, and a person who interrupts doesn't want to.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || sender.send(work()));
    match receiver.await {
        Ok(result) => result,
        Err(_) => Err(KafkaError::refused(
            "use the cluster",
            "its client has ended",
        )),
    }
}
