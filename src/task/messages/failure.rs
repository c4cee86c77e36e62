//! A cluster's error as the failure of a task.

use crate::connection::kafka::KafkaError;
use crate::task::TaskFailure;

impl From<KafkaError> for TaskFailure {
    fn from(error: KafkaError) -> Self {
        let message = error.to_string();
        if error.is_transient() {
            Self::retryable(message)
        } else {
            Self::permanent(message)
        }
    }
}
