//! A small object store that speaks as S3 does: objects with metadata, ranges, lists in pages,
//! multipart uploads, and the conditions of RFC 9110 on PUT and on the end of an upload. It
//! doesn't look at signatures. All in memory, on a thread of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

/// Keys of one page of a list: few, so that there are several pages.
const PAGE: usize = 3;

/// A running store; stopped when it is dropped.
pub(crate) struct S3 {
    pub(crate) url: String,
    shared: Arc<Mutex<Store>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Store {
    objects: BTreeMap<String, Object>,
    uploads: HashMap<String, Upload>,
    written: u64,
    refused: u64,
    /// Writes that are done and then answered with an error.
    lost_answers: u32,
    /// Whether conditions are understood.
    old: bool,
    most_body: usize,
}

#[derive(Clone)]
struct Object {
    bytes: Bytes,
    tag: String,
    metadata: Vec<(String, String)>,
}

struct Upload {
    key: String,
    parts: BTreeMap<u32, Bytes>,
    metadata: Vec<(String, String)>,
}

impl S3 {
    /// Starts an empty store with any bucket.
    pub(crate) fn start() -> Self {
        let shared: Arc<Mutex<Store>> = Arc::default();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (said, heard) = std::sync::mpsc::channel();
        let state = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                said.send(listener.local_addr().unwrap()).unwrap();
                let router = Router::new().fallback(answer).with_state(state);
                tokio::select! {
                    served = axum::serve(listener, router).into_future() => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self {
            url: format!("http://{}", heard.recv().unwrap()),
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The connection of a bucket of this store, as in `runner.yaml`.
    pub(crate) fn connection(&self, url: &str) -> String {
        format!(
            "bucket: {{ url: \"{url}\", endpoint: \"{}\", region: here, allow_http: true, access_key: key, secret_key: not-a-secret-key }}",
            self.url
        )
    }

    /// The bytes of an object, `bucket/key`.
    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let store = self.shared.lock().unwrap();
        store.objects.get(key).map(|object| object.bytes.to_vec())
    }

    /// Another program writes an object, `bucket/key`.
    pub(crate) fn put(&self, key: &str, text: &str) {
        let bytes = Bytes::from(text.to_owned());
        self.shared.lock().unwrap().put(key, bytes, Vec::new());
    }

    /// All keys.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.shared
            .lock()
            .unwrap()
            .objects
            .keys()
            .cloned()
            .collect()
    }

    /// Uploads that were begun and neither completed nor aborted.
    pub(crate) fn open_uploads(&self) -> usize {
        self.shared.lock().unwrap().uploads.len()
    }

    /// How many writes a condition has refused.
    pub(crate) fn refused(&self) -> u64 {
        self.shared.lock().unwrap().refused
    }

    /// The largest body that came in.
    pub(crate) fn most_body(&self) -> usize {
        self.shared.lock().unwrap().most_body
    }

    /// The next writes are done, but answered with an error.
    pub(crate) fn lose_answers(&self, count: u32) {
        self.shared.lock().unwrap().lost_answers = count;
    }

    /// From now on no conditions are understood, as by old stores.
    pub(crate) fn grow_old(&self) {
        self.shared.lock().unwrap().old = true;
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn answer(State(shared): State<Arc<Mutex<Store>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let key = decoded(parts.uri.path().trim_start_matches('/'));
    let query: HashMap<String, String> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    let mut store = shared.lock().unwrap();
    store.most_body = store.most_body.max(body.len());
    store.answer(&parts.method, &key, &query, &parts.headers, body)
}

impl Store {
    fn answer(
        &mut self,
        method: &Method,
        key: &str,
        query: &HashMap<String, String>,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response {
        let upload = query.get("uploadId").cloned();
        match (method.as_str(), upload) {
            ("GET", None) if query.contains_key("list-type") => self.list(key, query),
            ("GET" | "HEAD", None) => self.read(method, key, headers),
            ("POST", None) if query.contains_key("uploads") => {
                self.written += 1;
                let id = format!("upload-{}", self.written);
                let upload = Upload {
                    key: key.to_owned(),
                    parts: BTreeMap::new(),
                    metadata: metadata(headers),
                };
                self.uploads.insert(id.clone(), upload);
                xml(&format!(
                    "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            ("PUT", Some(id)) => {
                let Some(upload) = self.uploads.get_mut(&id) else {
                    return error(StatusCode::NOT_FOUND, "NoSuchUpload");
                };
                let number = query["partNumber"].parse().unwrap();
                upload.parts.insert(number, body);
                with_tag(
                    Response::builder(),
                    &format!("part-{number}"),
                    Body::empty(),
                )
            }
            ("POST", Some(id)) => {
                let Some(upload) = self.uploads.get(&id) else {
                    return error(StatusCode::NOT_FOUND, "NoSuchUpload");
                };
                assert_eq!(upload.key, key);
                if let Some(refused) = self.refusal(key, headers) {
                    return refused;
                }
                let upload = self.uploads.remove(&id).unwrap();
                let bytes: Vec<u8> = upload.parts.values().flatten().copied().collect();
                let tag = self.put(key, bytes.into(), upload.metadata);
                self.answered(xml(&format!(
                    "<CompleteMultipartUploadResult><ETag>&quot;{tag}&quot;</ETag></CompleteMultipartUploadResult>"
                )))
            }
            ("DELETE", Some(id)) => {
                self.uploads.remove(&id);
                empty(StatusCode::NO_CONTENT)
            }
            ("PUT", None) => self.write(key, headers, body),
            ("DELETE", None) => {
                self.objects.remove(key);
                empty(StatusCode::NO_CONTENT)
            }
            _ => error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
        }
    }

    fn write(&mut self, key: &str, headers: &HeaderMap, body: Bytes) -> Response {
        if let Some(refused) = self.refusal(key, headers) {
            return refused;
        }
        if let Some(source) = headers.get("x-amz-copy-source") {
            let source = decoded(source.to_str().unwrap().trim_start_matches('/'));
            let Some(object) = self.objects.get(&source).cloned() else {
                return error(StatusCode::NOT_FOUND, "NoSuchKey");
            };
            let tag = self.put(key, object.bytes, object.metadata);
            return self.answered(xml(&format!(
                "<CopyObjectResult><ETag>&quot;{tag}&quot;</ETag></CopyObjectResult>"
            )));
        }
        let tag = self.put(key, body, metadata(headers));
        let done = with_tag(Response::builder(), &tag, Body::empty());
        self.answered(done)
    }

    fn put(&mut self, key: &str, bytes: Bytes, metadata: Vec<(String, String)>) -> String {
        self.written += 1;
        let tag = format!("tag-{}", self.written);
        let object = Object {
            bytes,
            tag: tag.clone(),
            metadata,
        };
        self.objects.insert(key.to_owned(), object);
        tag
    }

    /// The answer of a write, unless it is to be lost.
    fn answered(&mut self, done: Response) -> Response {
        if self.lost_answers == 0 {
            return done;
        }
        self.lost_answers -= 1;
        error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")
    }

    fn refusal(&mut self, key: &str, headers: &HeaderMap) -> Option<Response> {
        let found = self
            .objects
            .get(key)
            .map(|object| format!("\"{}\"", object.tag));
        let given = |name| headers.get(name).map(|value| value.to_str().unwrap());
        let (same, absent) = (given("if-match"), given("if-none-match"));
        if self.old && (same.is_some() || absent.is_some()) {
            return Some(error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"));
        }
        let holds = match (same, absent) {
            (Some(tag), _) => found.as_deref() == Some(tag),
            (_, Some(_)) => found.is_none(),
            _ => true,
        };
        if holds {
            return None;
        }
        self.refused += 1;
        Some(error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"))
    }

    fn read(&self, method: &Method, key: &str, headers: &HeaderMap) -> Response {
        let Some(object) = self.objects.get(key) else {
            return error(StatusCode::NOT_FOUND, "NoSuchKey");
        };
        let mut bytes = object.bytes.clone();
        let mut answer =
            Response::builder().header("last-modified", "Fri, 21 Aug 2026 00:00:00 GMT");
        if let Some(range) = headers.get("range") {
            let range = range.to_str().unwrap().trim_start_matches("bytes=");
            let (from, to) = range.split_once('-').unwrap();
            let from: usize = from.parse().unwrap();
            let to = to.parse().map_or(bytes.len(), |to: usize| to + 1);
            answer = answer.status(StatusCode::PARTIAL_CONTENT).header(
                "content-range",
                format!("bytes {from}-{}/{}", to - 1, bytes.len()),
            );
            bytes = bytes.slice(from..to);
        }
        for (name, value) in &object.metadata {
            answer = answer.header(name, value);
        }
        answer = answer.header("content-length", bytes.len());
        let body = match method.as_str() {
            "HEAD" => Body::empty(),
            _ => Body::from(bytes),
        };
        with_tag(answer, &object.tag, body)
    }

    fn list(&self, bucket: &str, query: &HashMap<String, String>) -> Response {
        let bucket = bucket.trim_end_matches('/');
        let prefix = query.get("prefix").map_or("", String::as_str);
        let after = query.get("continuation-token").map_or("", String::as_str);
        let mut keys = self.objects.iter().filter_map(|(key, object)| {
            let key = key.strip_prefix(bucket)?.strip_prefix('/')?;
            (key.starts_with(prefix) && key > after).then_some((key, object))
        });
        let page: Vec<_> = keys.by_ref().take(PAGE).collect();
        let mut text = String::from("<ListBucketResult>");
        for (key, object) in &page {
            text += &format!(
                "<Contents><Key>{}</Key><LastModified>2026-08-21T00:00:00.000Z</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size></Contents>",
                key.replace('&', "&amp;").replace('<', "&lt;"),
                object.tag,
                object.bytes.len()
            );
        }
        let more = keys.next().is_some();
        text += &format!(
            "<KeyCount>{}</KeyCount><IsTruncated>{more}</IsTruncated>",
            page.len()
        );
        if let (true, Some((last, _))) = (more, page.last()) {
            text += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
        }
        xml(&(text + "</ListBucketResult>"))
    }
}

fn metadata(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-amz-meta-"))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

fn with_tag(answer: axum::http::response::Builder, tag: &str, body: Body) -> Response {
    answer
        .header("etag", format!("\"{tag}\""))
        .body(body)
        .unwrap()
}

fn empty(status: StatusCode) -> Response {
    Response::builder()
        .status(status)
        .body(Body::empty())
        .unwrap()
}

fn xml(text: &str) -> Response {
    let answer = Response::builder().header("content-type", "application/xml");
    answer.body(Body::from(text.to_owned())).unwrap()
}

fn error(status: StatusCode, code: &str) -> Response {
    let text = format!("<Error><Code>{code}</Code><Message>refused</Message></Error>");
    let answer = Response::builder().status(status);
    answer.body(Body::from(text)).unwrap()
}

/// Percent-decoded.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}
