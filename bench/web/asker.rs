//! Who asks, and how long that takes.

use std::time::{Duration, Instant};

use crate::Failure;

/// Requests of which the fastest and the middle one are told.
const ROUNDS: usize = 40;
/// No more of them are made when they have taken that long together.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked for, and how.
pub struct Asker {
    pub client: reqwest::Client,
    pub base: String,
}

/// How long a request takes, and the bytes of its answer.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    pub least: Duration,
    pub middle: Duration,
    pub bytes: usize,
}

impl Asker {
    pub async fn get(&self, path: &str) -> Result<String, Failure> {
        let request = self.client.get(format!("{}{path}", self.base));
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Err(format!("{path}: {}", answer.status()).into());
        }
        Ok(answer.text().await?)
    }

    /// Asks for one thing after the other, again and again: all of them together are one round.
    pub async fn time(&self, paths: &[String]) -> Result<Took, Failure> {
        let mut rounds = Vec::with_capacity(ROUNDS);
        let mut bytes = 0;
        let first = Instant::now();
        while rounds.len() < ROUNDS && (rounds.len() < 3 || first.elapsed() < PATIENCE) {
            let began = Instant::now();
            bytes = 0;
            for path in paths {
                bytes += self.get(path).await?.len();
            }
            rounds.push(began.elapsed());
        }
        rounds.sort_unstable();
        Ok(Took {
            least: rounds[0],
            middle: rounds[rounds.len() / 2],
            bytes,
        })
    }
}
