//! A provider that people sign in by, as small as it can be, and as wrong as a test wants it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use runner::model::Timestamp;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What proves that the pages are who they say.
pub(super) const SECRET: &str = "provider-secret-0f3a";
pub(super) const CLIENT: &str = "runner";

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signed {
    Es256,
    Rs256,
    /// By a key of the same name that the provider doesn't have.
    Stranger,
    /// By what both sides know: HMAC over the client's secret.
    Secret,
    /// Not at all: `alg: none`.
    Not,
}

/// What the provider does next.
#[derive(Debug, Clone)]
pub(super) struct Says {
    /// They replace those that are right; `null` leaves one out.
    pub(super) claims: Json,
    pub(super) signed: Signed,
    /// What the token's answer is, in place of a token.
    pub(super) answer: Option<(u16, String)>,
    /// What it calls itself.
    pub(super) issuer: Option<String>,
}

impl Says {
    pub(super) fn claims(claims: Json) -> Self {
        Self {
            claims,
            signed: Signed::Es256,
            answer: None,
            issuer: None,
        }
    }
}

struct Given {
    nonce: String,
    challenge: String,
    back: String,
}

struct Shared {
    address: SocketAddr,
    now: Timestamp,
    says: Mutex<Says>,
    codes: Mutex<BTreeMap<String, Given>>,
    ec: EcdsaKeyPair,
    stranger: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

pub(super) struct StandIn {
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

fn ec() -> EcdsaKeyPair {
    let chance = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &chance).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &chance).unwrap()
}

impl StandIn {
    pub(super) async fn new(now: Timestamp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rsa = include_bytes!("../../fixtures/provider-rsa.pkcs8");
        let shared = Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            now,
            says: Mutex::new(Says::claims(json!({}))),
            codes: Mutex::default(),
            ec: ec(),
            stranger: ec(),
            rsa: RsaKeyPair::from_pkcs8(rsa).unwrap(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(shared.clone());
        let serving = tokio::spawn(async move { axum_serve(listener, router).await });
        Self { shared, serving }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.shared.address
    }

    pub(super) fn issuer(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    pub(super) fn says(&self, says: Says) {
        *self.shared.says.lock().unwrap() = says;
    }

    /// Nobody answers any more.
    pub(super) async fn stop(&mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn axum_serve(listener: TcpListener, router: Router) {
    use hyper_util::rt::TokioIo;
    use hyper_util::service::TowerToHyperService;
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(router.clone());
        let mut http = hyper::server::conn::http1::Builder::new();
        http.keep_alive(false);
        tokio::spawn(async move {
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn metadata(State(shared): State<Arc<Shared>>) -> axum::Json<Json> {
    let own = format!("http://{}", shared.address);
    let issuer = shared.says.lock().unwrap().issuer.clone();
    axum::Json(json!({
        "issuer": issuer.unwrap_or_else(|| own.clone()),
        "authorization_endpoint": format!("{own}/authorize"),
        "token_endpoint": format!("{own}/token"),
        "jwks_uri": format!("{own}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        // It also says what must not be believed.
        "id_token_signing_alg_values_supported": ["ES256", "RS256", "HS256", "none"],
    }))
}

async fn keys(State(shared): State<Arc<Shared>>) -> axum::Json<Json> {
    let point = shared.ec.public_key().as_ref();
    let rsa = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(shared.rsa.public());
    axum::Json(json!({ "keys": [
        {
            "kty": "EC", "use": "sig", "kid": "one", "crv": "P-256",
            "x": base64(&point[1..33]), "y": base64(&point[33..]),
        },
        { "kty": "RSA", "use": "sig", "kid": "two", "n": base64(&rsa.n), "e": base64(&rsa.e) },
    ]}))
}

async fn authorize(
    State(shared): State<Arc<Shared>>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Redirect {
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["client_id"], CLIENT);
    assert_eq!(asked["code_challenge_method"], "S256");
    let scopes: Vec<&str> = asked["scope"].split(' ').collect();
    assert_eq!(scopes, ["openid", "email", "profile", "groups"]);
    let mut codes = shared.codes.lock().unwrap();
    let code = format!("code{}", codes.len());
    let back = asked["redirect_uri"].clone();
    let url = format!("{back}?code={code}&state={}", asked["state"]);
    codes.insert(
        code,
        Given {
            nonce: asked["nonce"].clone(),
            challenge: asked["code_challenge"].clone(),
            back,
        },
    );
    Redirect::to(&url)
}

async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(asked): Form<BTreeMap<String, String>>,
) -> Response {
    let says = shared.says.lock().unwrap().clone();
    if let Some((status, text)) = says.answer {
        let status = StatusCode::from_u16(status).unwrap();
        let json = [(header::CONTENT_TYPE, "application/json")];
        return (status, json, text).into_response();
    }
    let refused = |what: &str| {
        let text = format!("{what} {}", headers["authorization"].to_str().unwrap());
        let said = json!({ "error": what, "error_description": format!("{text}\n{SECRET}") });
        (StatusCode::BAD_REQUEST, axum::Json(said)).into_response()
    };
    let basic = base64_padded(format!("{CLIENT}:{SECRET}").as_bytes());
    if headers["authorization"] != format!("Basic {basic}") {
        return refused("invalid_client");
    }
    // A code is worth something once.
    let Some(given) = shared.codes.lock().unwrap().remove(&asked["code"]) else {
        return refused("invalid_grant");
    };
    let proof = base64(&Sha256::digest(&asked["code_verifier"]));
    if proof != given.challenge || asked["redirect_uri"] != given.back {
        return refused("invalid_grant");
    }
    let now = shared.now.timestamp();
    let mut claims = json!({
        "iss": format!("http://{}", shared.address), "aud": CLIENT, "sub": "7", "iat": now,
        "exp": now + 3600, "nonce": given.nonce, "email": "ana@example.org", "email_verified": true,
        "roles": ["team"],
    });
    for (name, value) in says.claims.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let left = claims.as_object_mut().unwrap();
    left.retain(|_, value| !value.is_null());
    axum::Json(json!({
        "access_token": "access-4242", "token_type": "Bearer", "expires_in": 60,
        "id_token": signed(&shared, &claims, says.signed),
    }))
    .into_response()
}

fn signed(shared: &Shared, claims: &Json, how: Signed) -> String {
    let (alg, kid) = match how {
        Signed::Es256 | Signed::Stranger => ("ES256", "one"),
        Signed::Rs256 => ("RS256", "two"),
        Signed::Secret => ("HS256", "one"),
        Signed::Not => ("none", "one"),
    };
    let head = json!({ "alg": alg, "kid": kid, "typ": "JWT" }).to_string();
    let text = format!(
        "{}.{}",
        base64(head.as_bytes()),
        base64(claims.to_string().as_bytes())
    );
    let chance = SystemRandom::new();
    let bytes = text.as_bytes();
    let signature = match how {
        Signed::Es256 => shared.ec.sign(&chance, bytes).unwrap().as_ref().to_vec(),
        Signed::Stranger => {
            let signature = shared.stranger.sign(&chance, bytes).unwrap();
            signature.as_ref().to_vec()
        }
        Signed::Rs256 => {
            let mut signature = vec![0; shared.rsa.public().modulus_len()];
            let scheme = &RSA_PKCS1_SHA256;
            shared
                .rsa
                .sign(scheme, &chance, bytes, &mut signature)
                .unwrap();
            signature
        }
        Signed::Secret => {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
            ring::hmac::sign(&key, bytes).as_ref().to_vec()
        }
        Signed::Not => Vec::new(),
    };
    format!("{text}.{}", base64(&signature))
}

/// Base64 for URLs, without padding (RFC 4648, section 5).
fn base64(bytes: &[u8]) -> String {
    let text = base64_padded(bytes);
    let text = text.trim_end_matches('=');
    text.replace('+', "-").replace('/', "_")
}

pub(super) fn base64_padded(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let three = [
            chunk[0],
            *chunk.get(1).unwrap_or(&0),
            *chunk.get(2).unwrap_or(&0),
        ];
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place > chunk.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}
