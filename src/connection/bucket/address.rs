//! Where a bucket is, as people write it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::document::{Diagnostic, Report, Spanned, nearest};
use crate::secret::{Environment, Secret};

crate::record! {
    /// Files in a folder or in a cloud's object store.
    pub struct Settings as "a bucket connection" {
        /// A folder, relative to the project; or `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.
        url: Spanned<String>,
        /// The address of a store that isn't the cloud's own: `http://localhost:9000`. `AWS_ENDPOINT_URL` when left out.
        endpoint: Option<Spanned<String>>,
        /// S3: the region. `AWS_REGION` when left out.
        region: Option<Spanned<String>>,
        /// S3: `AWS_ACCESS_KEY_ID` when left out; without any, the machine's own role.
        access_key: Option<Spanned<String>>,
        /// S3: `AWS_SECRET_ACCESS_KEY` when left out.
        secret_key: Option<Spanned<String>>,
        /// S3: of temporary credentials; `AWS_SESSION_TOKEN` when left out.
        session_token: Option<Spanned<String>>,
        /// Google: the file of a service account's key, or its JSON text. `GOOGLE_APPLICATION_CREDENTIALS` when left out.
        service_account: Option<Spanned<String>>,
        /// Azure: the storage account. `AZURE_STORAGE_ACCOUNT_NAME` when left out.
        account: Option<Spanned<String>>,
        /// Azure: `AZURE_STORAGE_ACCOUNT_KEY` when left out.
        account_key: Option<Spanned<String>>,
        /// Whether an endpoint without TLS (`http://`) will do.
        allow_http: bool = "false" => false,
        /// S3: whether requests are signed. A bucket that anybody may read needs no keys.
        sign: bool = "true" => true,
    }
}

impl Settings {
    /// Those of a bucket that is only a URL.
    pub(super) fn of_url(url: Spanned<String>) -> Self {
        Self {
            span: url.span,
            url,
            endpoint: None,
            region: None,
            access_key: None,
            secret_key: None,
            session_token: None,
            service_account: None,
            account: None,
            account_key: None,
            allow_http: false,
            sign: true,
        }
    }
}

/// The clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cloud {
    S3,
    Google,
    Azure,
}

impl Cloud {
    const ALL: [Self; 3] = [Self::S3, Self::Google, Self::Azure];

    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }

    /// The library's name for the address of a store that isn't the cloud's own.
    fn endpoint(self) -> &'static str {
        match self {
            Self::S3 => "aws_endpoint_url",
            Self::Google => "google_base_url",
            Self::Azure => "azure_storage_endpoint",
        }
    }

    /// How the variables that its own tools read begin.
    fn variables(self) -> &'static str {
        match self {
            Self::S3 => "AWS_",
            Self::Google => "GOOGLE_",
            Self::Azure => "AZURE_",
        }
    }
}

/// Where the files are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    Folder { root: PathBuf, shown: String },
    Cloud(CloudAddress),
}

/// A bucket of a cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CloudAddress {
    pub(super) cloud: Cloud,
    pub(super) bucket: String,
    /// Before every path; empty, or without `/` at its ends.
    pub(super) prefix: String,
    /// The library's settings, by the names it gives them: what the environment says first, what
    /// the connection says in place of it.
    pub(super) options: BTreeMap<String, Secret<String>>,
    pub(super) secrets: Vec<Secret<String>>,
}

impl CloudAddress {
    /// Where the store is, when it isn't the cloud's own.
    pub(super) fn endpoint(&self) -> Option<&str> {
        let endpoint = self.options.get(self.cloud.endpoint());
        endpoint.map(|endpoint| endpoint.reveal().as_str())
    }
}

/// Settings that nobody may see, by their names in the library.
const SECRETS: &[&str] = &[
    "aws_secret_access_key",
    "aws_session_token",
    "google_service_account_key",
    "azure_storage_account_key",
    "azure_storage_client_secret",
    "azure_client_secret",
    "azure_storage_sas_key",
    "azure_storage_sas_token",
    "azure_storage_token",
];

/// Reads an address; mistakes are reported.
pub(super) fn read(
    settings: &Settings,
    root: &Path,
    environment: &Environment,
    report: &mut Report,
) -> Option<Address> {
    let url = settings.url.as_str();
    let Some((scheme, rest)) = url.split_once("://") else {
        return folder(settings, root.join(url), url, report);
    };
    if scheme == "file" {
        return folder(settings, PathBuf::from(rest), rest, report);
    }
    let Some(cloud) = Cloud::ALL
        .into_iter()
        .find(|cloud| cloud.scheme() == scheme)
    else {
        let label = match nearest(scheme, ["s3", "gs", "az", "file"]) {
            Some(near) => format!("did you mean `{near}://`?"),
            None => "expected `s3://`, `gs://`, `az://` or `file://`".to_owned(),
        };
        report.push(
            Diagnostic::error(
                "invalid-url",
                format!("no bucket is reached by `{scheme}://`"),
                settings.url.span,
            )
            .label(label)
            .help("a store with an API as S3 has is `s3://bucket` with `endpoint: http://…`"),
        );
        return None;
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    if bucket.is_empty() || !(prefix.is_empty() || prefix.split('/').all(plain)) {
        report.push(
            Diagnostic::error("invalid-url", "the URL names no bucket", settings.url.span).label(
                format!("expected `{scheme}://bucket` or `{scheme}://bucket/prefix`"),
            ),
        );
        return None;
    }
    refuse_foreign(settings, Some(cloud), report)?;
    let mut options = BTreeMap::new();
    for name in environment.names() {
        if name.starts_with(cloud.variables())
            && let Some(value) = environment.get(name)
        {
            options.insert(name.to_ascii_lowercase(), Secret::new(value.to_owned()));
        }
    }
    for (name, value) in given(settings) {
        let key = match name {
            "endpoint" => cloud.endpoint(),
            "region" => "aws_region",
            "access_key" => "aws_access_key_id",
            "secret_key" => "aws_secret_access_key",
            "session_token" => "aws_session_token",
            "service_account" if value.trim_start().starts_with('{') => {
                "google_service_account_key"
            }
            "service_account" => "google_service_account",
            "account" => "azure_storage_account_name",
            _ => "azure_storage_account_key",
        };
        let mut value = value.value.clone();
        if key == "google_service_account" {
            value = root.join(value).to_string_lossy().into_owned();
        }
        if key == "aws_access_key_id" {
            // Keys that belong together: a token of the environment isn't of these.
            options.remove("aws_session_token");
        }
        options.insert(key.to_owned(), Secret::new(value));
    }
    for (key, given) in [
        ("allow_http", settings.allow_http),
        ("skip_signature", !settings.sign),
    ] {
        if given {
            let key = format!("{}{key}", cloud.variables().to_ascii_lowercase());
            options.insert(key, Secret::new("true".to_owned()));
        }
    }
    let secret = |(name, value): (&String, &Secret<String>)| {
        SECRETS.contains(&name.as_str()).then(|| value.clone())
    };
    let address = CloudAddress {
        cloud,
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        secrets: options.iter().filter_map(secret).collect(),
        options,
    };
    refuse_without_tls(&address, settings, report)?;
    Some(Address::Cloud(address))
}

/// The library refuses such an endpoint too, but only when it is used.
fn refuse_without_tls(
    address: &CloudAddress,
    settings: &Settings,
    report: &mut Report,
) -> Option<()> {
    let allowed = format!(
        "{}allow_http",
        address.cloud.variables().to_ascii_lowercase()
    );
    let plain = |endpoint: &str| endpoint.starts_with("http://");
    if address.options.contains_key(&allowed) || !address.endpoint().is_some_and(plain) {
        return Some(());
    }
    let place = settings.endpoint.as_ref().unwrap_or(&settings.url);
    report.push(
        Diagnostic::error(
            "endpoint-without-tls",
            "the bucket's endpoint is without TLS (`http://`)",
            place.span,
        )
        .help("add `allow_http: true` if that will do, as on a network of your own"),
    );
    None
}

fn folder(settings: &Settings, root: PathBuf, shown: &str, report: &mut Report) -> Option<Address> {
    if shown.trim().is_empty() {
        report.push(
            Diagnostic::error("invalid-path", "the bucket has no path", settings.url.span)
                .label("expected a folder such as `bucket/`, or `s3://bucket`"),
        );
        return None;
    }
    refuse_foreign(settings, None, report)?;
    Some(Address::Folder {
        root,
        shown: shown.to_owned(),
    })
}

/// The settings that are there.
fn given(settings: &Settings) -> impl Iterator<Item = (&'static str, &Spanned<String>)> {
    [
        ("endpoint", &settings.endpoint),
        ("region", &settings.region),
        ("access_key", &settings.access_key),
        ("secret_key", &settings.secret_key),
        ("session_token", &settings.session_token),
        ("service_account", &settings.service_account),
        ("account", &settings.account),
        ("account_key", &settings.account_key),
    ]
    .into_iter()
    // An empty one is a variable that isn't set: as if it weren't there.
    .filter_map(|(name, value)| Some((name, value.as_ref().filter(|value| !value.is_empty())?)))
}

/// Settings of another cloud are a mistake.
fn refuse_foreign(settings: &Settings, cloud: Option<Cloud>, report: &mut Report) -> Option<()> {
    let mut right = true;
    for (name, value) in given(settings) {
        let home = match name {
            "endpoint" => None,
            "service_account" => Some(Cloud::Google),
            "account" | "account_key" => Some(Cloud::Azure),
            _ => Some(Cloud::S3),
        };
        let fits = match home {
            Some(home) => cloud == Some(home),
            None => cloud.is_some(),
        };
        if !fits {
            let owner = match home {
                Some(home) => format!("`{}://`", home.scheme()),
                None => "a bucket of a cloud".to_owned(),
            };
            report.push(
                Diagnostic::error(
                    "conflicting-keys",
                    format!("`{name}` belongs to {owner}"),
                    value.span,
                )
                .label(match cloud {
                    Some(cloud) => format!("this one is `{}://`", cloud.scheme()),
                    None => "this one is a folder".to_owned(),
                }),
            );
            right = false;
        }
    }
    right.then_some(())
}
