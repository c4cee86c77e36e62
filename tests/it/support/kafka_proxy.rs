//! A way to a Kafka broker that loses a question or an answer of one sort at the moment that it is
//! told to.
//!
//! It knows of Kafka's protocol what each frame begins with: its length, and then in a question the
//! number of its sort, a version and a number that its answer begins with, too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The sorts of questions: <https://kafka.apache.org/protocol#protocol_api_keys>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub(crate) enum Api {
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    OffsetFetch = 9,
    FindCoordinator = 10,
    JoinGroup = 11,
    SyncGroup = 14,
    InitProducerId = 22,
    AddPartitionsToTxn = 24,
    AddOffsetsToTxn = 25,
    EndTxn = 26,
    TxnOffsetCommit = 28,
}

/// Answers that say where brokers are.
const WITH_ADDRESSES: [i16; 3] = [Api::Metadata as i16, Api::FindCoordinator as i16, 60];

/// What is lost, and the connection with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The broker never gets it.
    Question,
    /// The broker gets it, and what it makes of it nobody waits for.
    Both,
    /// The broker has answered, and the answer is lost.
    Answer,
}

pub(crate) const FATES: [Fate; 3] = [Fate::Question, Fate::Both, Fate::Answer];

struct Trap {
    api: Api,
    /// Questions of the sort that pass before.
    skip: usize,
    fate: Fate,
    and: Box<dyn FnOnce() + Send>,
}

#[derive(Default)]
struct State {
    trap: Option<Trap>,
    sprung: usize,
    /// Questions so far, by sort.
    asked: BTreeMap<i16, usize>,
}

/// Listens on a port of its own, as long as this lives.
pub(crate) struct KafkaProxy {
    port: u16,
    state: Arc<Mutex<State>>,
    flows: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
}

impl KafkaProxy {
    /// Stands before a broker, `127.0.0.1:port`.
    pub(crate) async fn new(broker: &str) -> Self {
        let (host, behind) = broker.split_once(':').expect("an address");
        assert_eq!(host, "127.0.0.1", "an answer's length must stay the same");
        let behind: u16 = behind.parse().expect("a port");
        let listener = TcpListener::bind((host, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let (flows, flowing) = watch::channel(true);
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (state, flowing) = (Arc::clone(&shared), flowing.clone());
                tokio::spawn(async move {
                    // A broker that is away refuses, as without the proxy.
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", behind)).await {
                        let way = Way {
                            state,
                            ports: (behind, port),
                            flowing,
                            waiting: Mutex::default(),
                        };
                        way.serve(client, server).await;
                    }
                });
            }
        });
        Self {
            port,
            state,
            flows,
            serving,
        }
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Decides over a question to come, the `skip`-th of its sort from now on.
    pub(crate) fn lose(&self, api: Api, skip: usize, fate: Fate) {
        self.lose_and(api, skip, fate, || ());
    }

    /// The same; does something at that moment.
    pub(crate) fn lose_and(
        &self,
        api: Api,
        skip: usize,
        fate: Fate,
        and: impl FnOnce() + Send + 'static,
    ) {
        self.state.lock().unwrap().trap = Some(Trap {
            api,
            skip,
            fate,
            and: Box::new(and),
        });
    }

    /// How many questions and answers were lost so far.
    pub(crate) fn sprung(&self) -> usize {
        self.state.lock().unwrap().sprung
    }

    /// How many questions of a sort were asked so far.
    pub(crate) fn asked(&self, api: Api) -> usize {
        let state = self.state.lock().unwrap();
        state.asked.get(&(api as i16)).copied().unwrap_or(0)
    }

    /// Lets nothing pass, or everything again.
    pub(crate) fn flow(&self, flows: bool) {
        self.flows.send_replace(flows);
    }
}

impl Drop for KafkaProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One connection.
struct Way {
    state: Arc<Mutex<State>>,
    /// The broker's port, and the one that clients are told.
    ports: (u16, u16),
    flowing: watch::Receiver<bool>,
    /// Questions without an answer: their sort, and what becomes of the answer.
    waiting: Mutex<BTreeMap<i32, (i16, Option<Trap>)>>,
}

impl Way {
    async fn serve(&self, client: TcpStream, server: TcpStream) {
        let (mut asking, mut told) = client.into_split();
        let (mut answering, mut asked) = server.into_split();
        tokio::select! {
            _ = self.questions(&mut asking, &mut asked) => {}
            _ = self.answers(&mut answering, &mut told) => {}
        }
    }

    async fn questions(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> Option<()> {
        loop {
            let frame = self.frame(from).await?;
            let api = i16::from_be_bytes(frame[4..6].try_into().ok()?);
            let number = i32::from_be_bytes(frame[8..12].try_into().ok()?);
            let trap = self.trap(api);
            if let Some(trap) = trap {
                match trap.fate {
                    Fate::Question => {
                        (trap.and)();
                        return None;
                    }
                    Fate::Both => {
                        to.write_all(&frame).await.ok()?;
                        (trap.and)();
                        return None;
                    }
                    Fate::Answer => {
                        let mut waiting = self.waiting.lock().unwrap();
                        waiting.insert(number, (api, Some(trap)));
                    }
                }
            } else {
                self.waiting.lock().unwrap().insert(number, (api, None));
            }
            to.write_all(&frame).await.ok()?;
        }
    }

    async fn answers(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> Option<()> {
        loop {
            let mut frame = self.frame(from).await?;
            let number = i32::from_be_bytes(frame[4..8].try_into().ok()?);
            let known = self.waiting.lock().unwrap().remove(&number);
            match known {
                Some((_, Some(trap))) => {
                    (trap.and)();
                    return None;
                }
                Some((api, None)) if WITH_ADDRESSES.contains(&api) => self.rename(&mut frame),
                _ => {}
            }
            to.write_all(&frame).await.ok()?;
        }
    }

    /// A whole frame with its length, once anything may pass.
    async fn frame(&self, from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
        let mut frame = vec![0; 4];
        from.read_exact(&mut frame).await.ok()?;
        let length = u32::from_be_bytes(frame[..4].try_into().ok()?);
        frame.resize(4 + usize::try_from(length).ok()?, 0);
        from.read_exact(&mut frame[4..]).await.ok()?;
        let mut flowing = self.flowing.clone();
        flowing.wait_for(|flows| *flows).await.ok()?;
        Some(frame)
    }

    /// What becomes of this question, if it is the one.
    fn trap(&self, api: i16) -> Option<Trap> {
        let mut state = self.state.lock().unwrap();
        *state.asked.entry(api).or_default() += 1;
        let trap = state.trap.as_mut().filter(|trap| trap.api as i16 == api)?;
        if trap.skip > 0 {
            trap.skip -= 1;
            return None;
        }
        state.sprung += 1;
        state.trap.take()
    }

    /// Says that the broker is here.
    fn rename(&self, frame: &mut [u8]) {
        let at = |port: u16| [b"127.0.0.1".as_slice(), &u32::from(port).to_be_bytes()].concat();
        let (real, own) = (at(self.ports.0), at(self.ports.1));
        for place in 0..frame.len().saturating_sub(real.len() - 1) {
            if frame[place..].starts_with(&real) {
                frame[place..place + own.len()].copy_from_slice(&own);
            }
        }
    }
}
