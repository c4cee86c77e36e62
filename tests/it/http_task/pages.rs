//! Page by page.

use serde_json::{Value as Json, json};

use super::{answer, asked, attempt, failure, ids, records, reply, with};
use crate::support::fault_server::{Act, FaultServer, Received};

/// 25 records, ten a page, asked for in every way there is.
fn serve(request: &Received) -> Vec<Act> {
    let number = |name: &str| asked(request, name).and_then(|text| text.parse::<u64>().ok());
    let page = |from: u64| ids(from.min(25) + 1..=(from + 10).min(25));
    let (path, _) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    match path {
        "/v1/page" => {
            answer(&json!({ "items": page((number("page").unwrap() - 1) * 10), "pages": 3 }))
        }
        "/v1/zero" => answer(&json!({ "items": page(number("page").unwrap() * 10) })),
        "/v1/offset" => answer(&json!({ "items": page(number("offset").unwrap()) })),
        "/v1/cursor" => {
            let from = number("after").unwrap_or(0);
            let next = if from < 20 {
                json!(from + 10)
            } else {
                Json::Null
            };
            answer(&json!({ "meta": { "next": next }, "items": page(from) }))
        }
        "/v1/behind" => {
            let from = number("after").unwrap_or(0);
            let next = if from < 20 {
                (from + 10).to_string()
            } else {
                String::new()
            };
            answer(&json!({ "items": page(from), "next": next }))
        }
        "/v1/url" => {
            let from = number("from").unwrap_or(0);
            let next = (from < 20).then(|| format!("url?from={}&x=%C3%A9", from + 10));
            answer(&json!({ "items": page(from), "next": next }))
        }
        "/v1/header" => {
            let from = number("after").unwrap_or(0);
            let body = json!({ "items": page(from) }).to_string();
            let next = (from + 10).to_string();
            let headers: &[(&str, &str)] = if from < 20 { &[("X-Next", &next)] } else { &[] };
            reply(200, headers, body.as_bytes())
        }
        "/v1/link" => {
            let from = number("from").unwrap_or(0);
            let body = json!({ "items": page(from) }).to_string();
            let next = format!(
                "</v1/link>; rel=first, </v1/link?from={}>; rel=\"next last\"",
                from + 10
            );
            let headers: &[(&str, &str)] = if from < 20 { &[("Link", &next)] } else { &[] };
            reply(200, headers, body.as_bytes())
        }
        "/v1/circle" => {
            let next = if asked(request, "after") == Some("a") {
                "b"
            } else {
                "a"
            };
            answer(&json!({ "items": ids([request.number as u64]), "next": next }))
        }
        "/v1/same" => answer(&json!({ "items": ids([1]) })),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_style_gives_all_records() {
    for (path, pages, requests) in [
        ("page", json!({ "page": "page" }), 4),
        (
            "page",
            json!({ "page": "page", "until": "page.number >= body.pages" }),
            3,
        ),
        (
            "page",
            json!({ "page": "page", "until": "page.records < 10" }),
            3,
        ),
        ("zero", json!({ "page": "page", "first": 0 }), 4),
        ("offset", json!({ "offset": "offset", "step": 10 }), 4),
        ("offset", json!({ "offset": "offset" }), 4),
        (
            "offset",
            json!({ "offset": "offset", "step": "{{ params.step }}" }),
            4,
        ),
        (
            "cursor",
            json!({ "cursor": "meta.next", "query": "after" }),
            3,
        ),
        ("behind", json!({ "cursor": "next", "query": "after" }), 3),
        ("url", json!({ "cursor": "next" }), 3),
        (
            "header",
            json!({ "cursor": { "header": "X-Next" }, "query": "after" }),
            3,
        ),
        ("link", json!({ "link": "next" }), 3),
    ] {
        let server = FaultServer::start(serve);
        let attempt = attempt(&server).with("params", json!({ "step": 10 }));
        let http = json!({ "connection": "api", "get": path, "records": "items", "pages": pages });
        let (found, output) = records(&attempt, &http).await;
        assert_eq!(found, ids(1..=25), "{http}");
        assert_eq!(server.received().len(), requests, "{http}");
        assert_eq!(output.outputs["requests"], requests, "{http}");
        assert_eq!(output.outputs["rows"], 25, "{http}");
    }
}

#[tokio::test]
async fn pages_have_a_limit() {
    for (path, pages) in [
        ("page", json!({ "page": "page", "limit": 2 })),
        (
            "offset",
            json!({ "offset": "offset", "limit": "{{ params.pages }}" }),
        ),
        (
            "cursor",
            json!({ "cursor": "meta.next", "query": "after", "limit": 2 }),
        ),
        ("link", json!({ "link": "next", "limit": 2 })),
        (
            "page",
            json!({ "page": "page", "until": "body.pages == 3 and page.number == 2" }),
        ),
    ] {
        let server = FaultServer::start(serve);
        let attempt = attempt(&server).with("params", json!({ "pages": 2 }));
        let http = json!({ "connection": "api", "get": path, "records": "items", "pages": pages });
        let (found, _) = records(&attempt, &http).await;
        assert_eq!(found, ids(1..=20), "{http}");
        assert_eq!(server.received().len(), 2, "{http}");
    }
}

#[tokio::test]
async fn pages_that_never_end_are_mistakes() {
    for (path, pages, expected) in [
        (
            "circle",
            json!({ "cursor": "next", "query": "after" }),
            "GET http://host/v1/circle?after=b: the pages go round in a circle: `a` came twice",
        ),
        (
            "same",
            json!({ "page": "page" }),
            "GET http://host/v1/same?page=2: this page is the same as the one before it: the API doesn't know `page`",
        ),
        (
            "page",
            json!({ "page": "page", "until": "body.total == 3" }),
            "GET http://host/v1/page?page=1: `body.total == 3`: `body.total` is undefined",
        ),
        (
            "page",
            json!({ "page": "page", "limit": "{{ params.pages }}" }),
            "`limit` is a whole number from 1, not `0`",
        ),
        ("cursor", json!({ "cursor": "items" }), ""),
    ] {
        let server = FaultServer::start(serve);
        let attempt = attempt(&server).with("params", json!({ "pages": 0 }));
        let http = json!({ "connection": "api", "get": path, "records": "items", "pages": pages });
        if expected.is_empty() {
            // A cursor that is a list, and empty beside the records.
            let (message, _) = failure(&attempt, &http).await;
            assert!(
                message.contains("the cursor `items` is neither a text nor a number"),
                "{message}"
            );
            continue;
        }
        assert_eq!(
            failure(&attempt, &http).await,
            (expected.to_owned(), false),
            "{http}"
        );
    }
}

#[tokio::test]
async fn the_query_of_each_page_has_its_templates() {
    let server = FaultServer::start(serve);
    let attempt = attempt(&server).item(0, json!("a b"));
    let http = json!({
        "connection": "api", "get": "page", "records": "items",
        "query": { "coin": "{{ item }}", "per_page": 10, "page": 7, "tags": ["x", "y"], "no": null },
        "pages": { "page": "page" },
    });
    let (found, _) = records(&attempt, &with(http, &json!({ "columns": ["id", "more"] }))).await;
    assert_eq!(found[0], json!({ "id": 1, "more": null }));
    assert_eq!(
        server.received()[1].target,
        "/v1/page?coin=a+b&per_page=10&tags=x&tags=y&page=2"
    );
}
