//! Which proxies requests go through.

use reqwest::{NoProxy, Proxy, Url};

use super::HttpError;
use crate::secret::{Environment, Secret};

/// Proxies by the scheme of the URL that is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxies {
    http: Option<Named>,
    https: Option<Named>,
    /// Hosts that are reached without one, as `NO_PROXY` lists them.
    except: String,
}

/// A proxy and where it was named.
#[derive(Debug, Clone)]
struct Named {
    place: String,
    url: Secret<String>,
}

impl Proxies {
    /// One proxy for everything.
    pub(super) fn of_setting(url: &str) -> Self {
        let named = Some(Named {
            place: "`proxy`".to_owned(),
            url: Secret::new(url.to_owned()),
        });
        Self {
            http: named.clone(),
            https: named,
            except: String::new(),
        }
    }

    /// Those that the environment names, in the spelling of curl: small letters win.
    pub(super) fn of_environment(environment: &Environment) -> Self {
        let find = |names: &[&'static str]| {
            names
                .iter()
                .find_map(|name| Some((*name, environment.get(name)?)))
        };
        let named = |names: &[&'static str]| {
            find(names).map(|(name, url)| Named {
                place: format!("the environment's `{name}`"),
                // `proxy:3128` counts as http.
                url: Secret::new(if url.contains("://") {
                    url.to_owned()
                } else {
                    format!("http://{url}")
                }),
            })
        };
        Self {
            http: named(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            https: named(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            except: find(&["no_proxy", "NO_PROXY"])
                .map(|(_, hosts)| hosts.to_owned())
                .unwrap_or_default(),
        }
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The names of their hosts.
    pub(super) fn hosts(&self) -> Vec<String> {
        let url = |named: &Named| Url::parse(named.url.reveal()).ok();
        self.all()
            .filter_map(|named| url(named)?.host_str().map(str::to_owned))
            .collect()
    }

    /// The passwords in their URLs.
    pub(super) fn secrets(&self) -> Vec<String> {
        let url = |named: &Named| Url::parse(named.url.reveal()).ok();
        self.all()
            .filter_map(|named| url(named)?.password().map(str::to_owned))
            .collect()
    }

    /// As the library takes them.
    ///
    /// # Errors
    /// One is no URL of a proxy; its text isn't repeated.
    pub(super) fn build(&self) -> Result<Vec<Proxy>, HttpError> {
        let mut built = Vec::new();
        let schemes: [(_, fn(Url) -> reqwest::Result<Proxy>); 2] =
            [(&self.http, Proxy::http), (&self.https, Proxy::https)];
        for (named, proxy) in schemes {
            let Some(named) = named else { continue };
            let url = read_proxy(named.url.reveal()).ok_or_else(|| {
                let place = &named.place;
                HttpError::permanent(format!("{place} is no URL of a proxy such as {EXAMPLE}"))
            })?;
            let proxy = proxy(url).map_err(|error| {
                HttpError::permanent(format!("{}: {}", named.place, error.without_url()))
            })?;
            built.push(proxy.no_proxy(NoProxy::from_string(&self.except)));
        }
        Ok(built)
    }

    fn all(&self) -> impl Iterator<Item = &Named> {
        [&self.http, &self.https].into_iter().flatten()
    }
}

/// The URL of a proxy for a message.
pub(super) const EXAMPLE: &str = "`http://proxy.example.com:3128`";

/// The URL of a proxy; `None` when it is none.
pub(super) fn read_proxy(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let schemes = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
    (schemes.contains(&url.scheme()) && url.has_host()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let environment = Environment::from_pairs(&[
            ("ALL_PROXY", "socks5://user:word@all:1080"),
            ("http_proxy", "small:3128"),
            ("HTTP_PROXY", "http://large:3128"),
            ("NO_PROXY", "localhost"),
        ]);
        let proxies = Proxies::of_environment(&environment);
        assert_eq!(proxies.hosts(), ["small", "all"]);
        assert_eq!(proxies.secrets(), ["word"]);
        assert_eq!(proxies.except, "localhost");
        assert!(proxies.build().is_ok());
        assert!(!format!("{proxies:?}").contains("word"));
        assert!(Proxies::of_environment(&Environment::default()).is_empty());
    }

    #[test]
    fn a_wrong_proxy_is_named_by_its_variable() {
        let environment = Environment::from_pairs(&[("https_proxy", "gopher://u:hidden@h")]);
        let error = Proxies::of_environment(&environment).build().unwrap_err();
        assert!(error.message.contains("`https_proxy`"), "{error}");
        assert!(!error.message.contains("hidden"), "{error}");
    }
}
