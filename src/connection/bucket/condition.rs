//! What must still be true of an object when a new one takes its place.

use async_trait::async_trait;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::{ClientOptions, HeaderValue, UpdateVersion};

/// What must be true of the object that is there.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// Nothing.
    None,
    /// There is none.
    Absent,
    /// It is this very one.
    Same(UpdateVersion),
}

tokio::task_local! {
    /// The header that the end of a multipart upload is sent with. S3 takes the conditions there
    /// as with a single PUT (`CompleteMultipartUpload`, `If-Match` and `If-None-Match`), the
    /// library has no way to say them.
    pub(super) static END: Option<(&'static str, HeaderValue)>;
}

impl Condition {
    /// The header of RFC 9110 that says it.
    pub(super) fn header(&self) -> Option<(&'static str, HeaderValue)> {
        match self {
            Self::None => None,
            Self::Absent => Some(("if-none-match", HeaderValue::from_static("*"))),
            Self::Same(version) => {
                let tag = HeaderValue::from_str(version.e_tag.as_deref()?).ok()?;
                Some(("if-match", tag))
            }
        }
    }
}

/// The library's own connections, with conditions at the end of multipart uploads.
#[derive(Debug, Default)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Service(client)))
    }
}

#[derive(Debug)]
struct Service(HttpClient);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let ends_upload = request.method().as_str() == "POST"
            && request
                .uri()
                .query()
                .is_some_and(|query| query.starts_with("uploadId="));
        if ends_upload && let Ok(Some((name, value))) = END.try_with(Clone::clone) {
            request.headers_mut().insert(name, value);
        }
        self.0.execute(request).await
    }
}
