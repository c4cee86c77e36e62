//! What all clients of a cluster are: made of its settings, dropped aside, keeping its server up.

use std::fmt;
use std::ops::Deref;

use rdkafka::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError as Library, RDKafkaErrorCode as Code};

use super::cluster::Reached;
use super::context::{Context, Told};
use super::error::KafkaError;
use super::settings::Settings;

/// A client of the library, with the brokers that it was made for.
pub(super) struct Client<C: Send + 'static> {
    // Before the server that it uses.
    client: DroppedAside<C>,
    reached: Reached,
}

impl<C: Send + 'static> Client<C> {
    /// A client with these settings over those of the connection: `defaults` can be changed by its
    /// properties, `fixed` can't. `own` is what its context has beside what every client's has.
    pub(super) fn open<T>(
        settings: &Settings,
        reached: Reached,
        defaults: &[(&str, &str)],
        fixed: &[(&str, String)],
        own: T,
    ) -> Result<Self, KafkaError>
    where
        Context<T>: ClientContext,
        C: FromClientConfigAndContext<Context<T>>,
    {
        let config = settings.config(&reached.brokers, defaults, fixed);
        let client = config
            .create_with_context(Context::new(reached.told(), own))
            .map_err(|error| KafkaError::of_library("connect", &error, &reached.brokers, None))?;
        Ok(Self {
            client: DroppedAside::new(client),
            reached,
        })
    }

    /// Ends it, and waits for that.
    pub(super) fn close(self) {
        self.client.drop_now();
    }

    /// An error of it, with what `told` says of its reason.
    pub(super) fn error(&self, action: &str, error: &Library, told: &Told) -> KafkaError {
        of_client(action, error, &self.reached.brokers, told)
    }
}

impl<C: Send + 'static> Deref for Client<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}

impl<C: Send + 'static> fmt::Debug for Client<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.reached.brokers)
    }
}

/// An error of a client, with the reason that was told before if that says more.
pub(super) fn of_client(action: &str, error: &Library, brokers: &str, told: &Told) -> KafkaError {
    let vague = error.rdkafka_error_code().is_some_and(|code| {
        matches!(
            code,
            Code::BrokerTransportFailure | Code::OperationTimedOut | Code::AllBrokersDown
        )
    });
    match told.trouble().filter(|_| vague) {
        Some(trouble) => {
            let error = Library::Global(trouble.code);
            KafkaError::of_library(action, &error, brokers, Some(trouble.reason))
        }
        None => KafkaError::of_library(action, error, brokers, None),
    }
}

/// What is dropped by a thread of its own: a client that ends waits for its threads, and a consumer
/// for its group.
#[derive(Debug)]
pub(super) struct DroppedAside<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> DroppedAside<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// Drops it here and now.
    pub(super) fn drop_now(mut self) {
        drop(self.0.take());
    }
}

impl<T: Send + 'static> Deref for DroppedAside<T> {
    type Target = T;

    fn deref(&self) -> &T {
        let Some(value) = &self.0 else {
            unreachable!("it is only taken out at the end of its life")
        };
        value
    }
}

impl<T: Send + 'static> Drop for DroppedAside<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            std::thread::spawn(move || drop(value));
        }
    }
}
