//! A served project, and requests byte by byte: what a well-behaved client wouldn't send, too.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use runner::connection::Places;
use runner::model::Timestamp;
use runner::secret::Environment;
use runner::store::{Access, AccessKind, Account, AccountStore as _, Role, Scope, SqliteStore};
use runner::web::account::{Accounts, Key};
use runner::web::{App, AppParts, Hosts, Listen, Proxies, Server, Serving};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A project in a folder of its own, served.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) app: Arc<App>,
    pub(crate) address: SocketAddr,
    now: Arc<Mutex<Timestamp>>,
    _serving: oneshot::Sender<()>,
}

/// Two pipelines, without anything outside.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("runner.yaml", "{}\n"),
    (
        "pipelines/hello.yaml",
        "dag: hello\ntags: [demo]\nparams:\n  name: world\n  count: { type: integer, default: 3 }\n\
         tasks:\n  greet:\n    shell:\n      script: echo hello\n      \
         env: { NAME: \"{{ params.name }} {{ params.count }}\" }\n  \
         after:\n    needs: greet\n    shell: echo done\n",
    ),
    (
        "pipelines/daily.yaml",
        "dag: daily\nschedule: \"0 6 * * *\"\ntasks:\n  load:\n    shell: echo loaded\n",
    ),
];

impl Site {
    pub(crate) async fn new() -> Self {
        Self::of(FILES, false).await
    }

    pub(crate) async fn of(files: &[(&str, &str)], open: bool) -> Self {
        Self::with(files, open, &[]).await
    }

    /// Behind proxies that are believed.
    pub(crate) async fn behind(files: &[(&str, &str)], proxies: &[&str]) -> Self {
        Self::with(files, false, proxies).await
    }

    async fn with(files: &[(&str, &str)], open: bool, proxies: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let state = folder.path().join(".runner");
        std::fs::create_dir_all(&state).unwrap();
        let store = Arc::new(SqliteStore::open(&state.join("state.db")).await.unwrap());
        let listen: Listen = "127.0.0.1:0".parse().unwrap();
        let serving = Serving {
            listen,
            public_urls: Vec::new(),
            trusted_proxies: Vec::new(),
            open,
        };
        let server = Server::bind(&serving).await.unwrap();
        let Listen::Address(address) = *server.listen() else {
            panic!("an address");
        };
        let places = Arc::new(Places {
            root: folder.path().to_owned(),
            state: state.clone(),
            executable: PathBuf::from(env!("CARGO_BIN_EXE_runner")),
        });
        let now: Timestamp = "2026-08-20T12:00:00Z".parse().unwrap();
        let now = Arc::new(Mutex::new(now));
        let clock = now.clone();
        let read = places.clone();
        let app = App::new(AppParts {
            store: store.clone(),
            places,
            read: Arc::new(move || runner::spec::load(&read, None, Environment::of_process())),
            clock: Arc::new(move || *clock.lock().unwrap()),
            hosts: Hosts::new(&address.into(), &[]).unwrap(),
            proxies: Proxies::new(proxies.iter().map(|one| one.parse().unwrap()).collect()),
            accounts: Accounts::new(store.clone(), &state),
            open,
        });
        let (serving, told) = oneshot::channel();
        tokio::spawn(server.serve(app.clone(), async {
            let _ = told.await;
        }));
        Self {
            folder,
            store,
            app,
            address,
            now,
            _serving: serving,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    pub(crate) fn pass(&self, time: chrono::TimeDelta) {
        *self.now.lock().unwrap() += time;
    }

    /// An account of a role, named by it.
    pub(crate) async fn account(&self, role: Role) -> Account {
        let account = Account {
            name: role.as_str().to_owned(),
            role,
            password: None,
            created: self.now(),
            subject: None,
        };
        self.store.put_account(&account).await.unwrap();
        account
    }

    /// A token of somebody in a role, with all scopes or some.
    pub(crate) async fn token(&self, role: Role, scopes: Option<&[Scope]>) -> String {
        let account = self.account(role).await;
        let key = Key::draw(AccessKind::Token).unwrap();
        let access = Access {
            scopes: scopes.map(<[Scope]>::to_vec),
            ..key.access(&account.name, "test", self.now(), None)
        };
        self.store.put_access(&access).await.unwrap();
        key.reveal()
    }

    /// A session of somebody in a role: its cookie and its word.
    pub(crate) async fn session(&self, role: Role) -> (String, String) {
        let account = self.account(role).await;
        let key = Key::draw(AccessKind::Session).unwrap();
        let access = key.access(&account.name, "test", self.now(), None);
        self.store.put_access(&access).await.unwrap();
        let cookie = format!("runner-{}={}", self.address.port(), key.reveal());
        (cookie, key.csrf())
    }

    /// Our own origin, as browsers name it.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A request.
#[derive(Clone)]
pub(crate) struct Ask {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// As it was sent.
    pub(crate) raw: String,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// Sets a header; the one before of the same name is replaced.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A second header of the host's name.
    pub(crate) fn another_host(mut self, host: &str) -> Self {
        self.headers.push(("host".to_owned(), host.to_owned()));
        self.headers
            .push(("host".to_owned(), "evil.example".to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = body.to_string();
        self.header("content-type", "application/json")
    }

    pub(crate) fn form(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// Sends it, and reads until the end.
    pub(crate) async fn send(&self, site: &Site) -> Reply {
        self.send_to(site.address).await
    }

    /// The same, to a server of another process.
    pub(crate) async fn send_to(&self, address: SocketAddr) -> Reply {
        let mut stream = self.open(address).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Reply::read(&bytes)
    }

    /// Sends it; the answer is still to be read.
    pub(crate) async fn open(&self, address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            text.push_str(&format!("host: {address}\r\n"));
        }
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let (length, body) = (self.body.len(), &self.body);
        text.push_str(&format!(
            "connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

impl Reply {
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let raw = head.to_owned();
        let head = head.to_ascii_lowercase();
        let body = if head.contains("transfer-encoding: chunked") {
            unchunk(body)
        } else {
            body.to_owned()
        };
        Self {
            status: status.unwrap_or(0),
            raw,
            head,
            body,
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }

    /// Where it leads.
    pub(crate) fn location(&self) -> String {
        let mut lines = self.raw.lines();
        let found = lines.find_map(|line| line.strip_prefix("location: "));
        found.unwrap_or_default().to_owned()
    }

    /// A header's value, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(own, _)| *own == name).map(|(_, value)| value)
    }
}

fn unchunk(mut text: &str) -> String {
    let mut body = String::new();
    while let Some((length, rest)) = text.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        if length == 0 {
            break;
        }
        body.push_str(rest.get(..length).unwrap_or(rest));
        text = rest.get(length + 2..).unwrap_or("");
    }
    body
}
