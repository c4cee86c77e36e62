//! Where a bucket is, as people write it.

use runner::connection::{KINDS, Surroundings};
use runner::document::{Report, SourceId};
use runner::model::ConnectionId;
use runner::secret::Environment;
use runner::spec::read_yaml;

use crate::support::connections::places;

/// What a connection shows of `a.csv` and hides, or what is wrong with it.
fn read(yaml: &str, variables: &[(&str, &str)]) -> Result<(String, Vec<String>), String> {
    let mut report = Report::default();
    let node = read_yaml(SourceId(0), yaml, &mut report).unwrap();
    let kind = KINDS.iter().find(|kind| kind.name == "bucket").unwrap();
    let places = places(std::path::Path::new("/project"));
    let made = (kind.parse)(
        &node,
        &mut Surroundings {
            report: &mut report,
            id: &ConnectionId::new("b").unwrap(),
            places: &places,
            environment: &Environment::from_pairs(variables),
        },
    );
    let Some(made) = made else {
        let found: Vec<String> = report
            .diagnostics()
            .iter()
            .map(|found| format!("{}: {}", found.message, found.primary.text))
            .collect();
        return Err(found.join("; "));
    };
    assert!(!format!("{made:?}").contains("hidden"), "{made:?}");
    Ok((made.as_bucket().unwrap().shown("a.csv"), made.secrets()))
}

#[test]
fn addresses_are_read() {
    for (yaml, expected) in [
        ("bucket/", "bucket/a.csv"),
        ("data", "data/a.csv"),
        ("file:///srv/data", "/srv/data/a.csv"),
        ("s3://things", "s3://things/a.csv"),
        ("s3://things/x/y/", "s3://things/x/y/a.csv"),
        ("gs://things/x", "gs://things/x/a.csv"),
        ("az://things", "az://things/a.csv"),
        (
            "{ url: \"s3://b\", endpoint: \"http://localhost:9000\", allow_http: true }",
            "s3://b/a.csv",
        ),
        ("{ url: bucket, endpoint: \"\" }", "bucket/a.csv"),
    ] {
        assert_eq!(read(yaml, &[]).unwrap().0, expected, "{yaml}");
    }
}

#[test]
fn mistakes_are_named() {
    for (yaml, expected) in [
        (
            "s3:///x",
            "the URL names no bucket: expected `s3://bucket` or `s3://bucket/prefix`",
        ),
        (
            "s3://b/a/../c",
            "the URL names no bucket: expected `s3://bucket` or `s3://bucket/prefix`",
        ),
        (
            "s4://b",
            "no bucket is reached by `s4://`: did you mean `s3://`?",
        ),
        (
            "ftp://b",
            "no bucket is reached by `ftp://`: expected `s3://`, `gs://`, `az://` or `file://`",
        ),
        (
            "' '",
            "the bucket has no path: expected a folder such as `bucket/`, or `s3://bucket`",
        ),
        (
            "{ url: \"gs://b\", region: x, account: y, service_account: z }",
            "`region` belongs to `s3://`: this one is `gs://`; `account` belongs to `az://`: this one is `gs://`",
        ),
        (
            "{ url: x, endpoint: y }",
            "`endpoint` belongs to a bucket of a cloud: this one is a folder",
        ),
    ] {
        assert_eq!(read(yaml, &[]).unwrap_err(), expected, "{yaml}");
    }
}

#[test]
fn keys_of_the_connection_and_the_environment_are_hidden() {
    let environment = [
        ("AWS_SECRET_ACCESS_KEY", "hidden-1"),
        ("AWS_SESSION_TOKEN", "hidden-2"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "hidden-3"),
        ("AWS_REGION", "eu-west-1"),
    ];
    for (yaml, expected) in [
        ("s3://b", &["hidden-1", "hidden-2"][..]),
        (
            "{ url: \"s3://b\", access_key: k, secret_key: hidden-4 }",
            &["hidden-4"],
        ),
        ("az://b", &["hidden-3"]),
        (
            "{ url: \"gs://b\", service_account: '{\"private_key\": \"hidden-5\"}' }",
            &["{\"private_key\": \"hidden-5\"}"],
        ),
        ("bucket/", &[]),
    ] {
        assert_eq!(read(yaml, &environment).unwrap().1, expected, "{yaml}");
    }
}
