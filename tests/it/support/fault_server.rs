//! An HTTP server that misbehaves as it is told: raw TCP on loopback, with or without TLS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// How many requests came before it.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// As it stands in the request: path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The first header of a name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What is done with a connection after a request, one after the other.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Send(Vec<u8>),
    /// A byte at a time.
    Dribble(Vec<u8>, Duration),
    /// The same piece again and again, so many times; made as it is sent.
    Flood(Vec<u8>, u64),
    /// Nothing, for as long as the client stays.
    Stall,
    Wait(Duration),
    /// Closes the connection in an orderly way.
    Close,
    /// Resets it.
    Reset,
}

/// An answer with its length, after which the connection is kept.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<Act> {
    let length = body.len().to_string();
    let mut all = headers.to_vec();
    all.push(("Content-Length", &length));
    let mut bytes = head(status, &all);
    bytes.extend_from_slice(body);
    vec![Act::Send(bytes)]
}

/// A plain answer.
pub(crate) fn ok(body: &str) -> Vec<Act> {
    reply(200, &[("Content-Type", "text/plain")], body.as_bytes())
}

/// The head of an answer, its empty line included.
pub(crate) fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Whatever\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

type Play = dyn Fn(&Received) -> Vec<Act> + Send + Sync;

/// Serves on a port of its own as long as it lives, in a thread of its own.
pub(crate) struct FaultServer {
    address: SocketAddr,
    scheme: &'static str,
    received: Arc<Mutex<Vec<Received>>>,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FaultServer {
    /// Answers each request by what `play` gives.
    pub(crate) fn start(play: impl Fn(&Received) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::serve(None, Arc::new(play))
    }

    /// The same, behind TLS.
    pub(crate) fn start_tls(
        tls: Arc<ServerConfig>,
        play: impl Fn(&Received) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Some(tls.into()), Arc::new(play))
    }

    fn serve(tls: Option<TlsAcceptor>, play: Arc<Play>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let received = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let shared = (Arc::clone(&received), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let (received, stop) = shared;
            runtime.block_on(stop.run_until_cancelled(accept(listener, tls, play, received)));
            // What stalls is ended with it.
            runtime.shutdown_background();
        });
        Self {
            address,
            scheme,
            received,
            stop,
            thread: Some(thread),
        }
    }

    /// `http://127.0.0.1:<port>`.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The same by a name, for certificates and another origin.
    pub(crate) fn url_by_name(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    /// What it has received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("a list").clone()
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    play: Arc<Play>,
    received: Arc<Mutex<Vec<Received>>>,
) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let (play, received, tls) = (Arc::clone(&play), Arc::clone(&received), tls.clone());
        tokio::spawn(async move {
            // A client that leaves is no mistake of ours.
            let _ = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => talk(stream, &*play, &received, |_| {}).await,
                    Err(error) => Err(error),
                },
                None => talk(stream, &*play, &received, reset).await,
            };
        });
    }
}

/// Makes the close that follows a reset.
fn reset(stream: &TcpStream) {
    let zero = Some(Duration::ZERO);
    let socket = socket_of(stream);
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::Linger, &linger(zero))
        .expect("an option");
}

fn socket_of(stream: &TcpStream) -> std::os::fd::BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(stream)
}

fn linger(time: Option<Duration>) -> nix::libc::linger {
    nix::libc::linger {
        l_onoff: i32::from(time.is_some()),
        l_linger: 0,
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    play: &Play,
    received: &Mutex<Vec<Received>>,
    reset: impl Fn(&S),
) -> std::io::Result<()> {
    while let Some(request) = read(&mut stream, received).await? {
        for act in play(&request) {
            match act {
                Act::Send(bytes) => stream.write_all(&bytes).await?,
                Act::Dribble(bytes, pause) => {
                    for byte in bytes {
                        stream.write_all(&[byte]).await?;
                        stream.flush().await?;
                        tokio::time::sleep(pause).await;
                    }
                }
                Act::Flood(piece, times) => {
                    for _ in 0..times {
                        stream.write_all(&piece).await?;
                    }
                }
                Act::Wait(time) => {
                    stream.flush().await?;
                    tokio::time::sleep(time).await;
                }
                Act::Stall => {
                    stream.flush().await?;
                    // Until the client hangs up.
                    let mut rest = [0; 1024];
                    while stream.read(&mut rest).await? > 0 {}
                }
                Act::Close => return stream.shutdown().await,
                Act::Reset => {
                    stream.flush().await?;
                    reset(&stream);
                    return Ok(());
                }
            }
        }
        stream.flush().await?;
    }
    Ok(())
}

async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    received: &Mutex<Vec<Received>>,
) -> std::io::Result<Option<Received>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = text.lines();
    let mut first = lines
        .next()
        .unwrap_or_default()
        .split(' ')
        .map(str::to_owned);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut request = Received {
        number: 0,
        method: first.next().unwrap_or_default(),
        target: first.next().unwrap_or_default(),
        headers,
        body: bytes[end..].to_vec(),
    };
    let length = request.header("content-length");
    let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
    while request.body.len() < length {
        if stream.read_buf(&mut request.body).await? == 0 {
            return Ok(None);
        }
    }
    let mut all = received.lock().expect("a list");
    request.number = all.len();
    all.push(request.clone());
    Ok(Some(request))
}
