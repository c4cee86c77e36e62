//! `docker-compose.yml`, without an engine: its shape, and what it promises.

mod runs;

use std::collections::BTreeMap;
use std::path::Path;

use runner::document::{Report, Sources};
use serde_json::{Value as Json, json};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The file as JSON, with `<<` merged in as Compose does.
pub(crate) fn compose() -> Json {
    let text = read("docker-compose.yml");
    let mut sources = Sources::default();
    let source = sources.add(Path::new("docker-compose.yml"), &*text);
    let mut report = Report::default();
    let node = runner::spec::read_yaml(source, &text, &mut report).expect("YAML");
    node.to_json()
}

#[test]
fn it_fits_the_specification() {
    let schema: Json = serde_json::from_str(include_str!("compose-spec.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let compose = compose();
    let mistakes: Vec<String> = validator
        .iter_errors(&compose)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    let mut broken = compose;
    broken["services"]["postgres"]["prots"] = json!(["1:1"]);
    assert!(!validator.is_valid(&broken), "the schema finds nothing");
}

#[test]
fn every_service_is_healthy_or_ends() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    let awaited: BTreeMap<&str, &str> = services
        .values()
        .filter_map(|service| service["depends_on"].as_object())
        .flatten()
        .map(|(name, how)| (name.as_str(), how["condition"].as_str().unwrap()))
        .collect();
    for (name, condition) in &awaited {
        let service = &services[*name];
        let expected = match service.get("healthcheck") {
            Some(_) => "service_healthy",
            None => "service_completed_successfully",
        };
        assert_eq!(*condition, expected, "{name}");
    }
    for (name, service) in services {
        let restarts = service.get("restart").is_some();
        let checked = service.get("healthcheck").is_some();
        assert_eq!(
            restarts, checked,
            "{name} goes on or ends, but isn't looked after"
        );
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let named = volume.as_str().unwrap().split(':').next().unwrap();
            let known = compose["volumes"].get(named).is_some() || named.starts_with("./");
            assert!(known, "{name}: {named}");
        }
    }
}

#[test]
fn nothing_is_open_to_the_network_and_no_password_is_in_it() {
    let compose = compose();
    let mut ports = Vec::new();
    for service in compose["services"].as_object().unwrap().values() {
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = port.as_str().unwrap();
            assert!(port.starts_with("127.0.0.1:"), "{port}");
            ports.push(port.split(':').nth(1).unwrap().to_owned());
        }
        for (name, value) in service["environment"].as_object().into_iter().flatten() {
            let secret = name.contains("PASSWORD") && !name.ends_with("_FILE");
            assert!(!secret, "{name}: {value}");
        }
    }
    for port in ["8080", "8083", "9001"] {
        assert!(ports.iter().any(|found| found == port), "{port}: {ports:?}");
    }
}

#[test]
fn the_runner_gets_every_variable_that_the_project_reads() {
    let compose = compose();
    let environment = &compose["services"]["runner"]["environment"];
    let settings = read("runner.yaml");
    for reference in settings.split("${").skip(1) {
        let name = reference.split([':', '}']).next().unwrap();
        assert!(
            environment.get(name).is_some(),
            "{name} isn't set for the runner"
        );
    }
}
