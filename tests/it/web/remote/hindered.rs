//! What a command says when a server isn't there, isn't ours, or refuses.

use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::{FILES, command, said};
use crate::support::postgres::runner;
use crate::web::alive::Served;

#[tokio::test]
async fn what_hinders_is_said_with_its_mend() {
    let served = Served::of(FILES).await;
    let (url, token) = (served.url(), served.token.clone());
    let reader = served
        .command_said(&["token", "add", "reader", "--scope", "read"])
        .await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let older = stand_in(&[
        (
            "/api/v1/me",
            "200 OK",
            "{\"user\": \"me\"}",
            "x-runner-version: 0.0.1\r\n",
        ),
        (
            "/",
            "404 Not Found",
            "{\"status\": 404, \"detail\": \"there is nothing here\"}",
            "",
        ),
    ])
    .await;
    let page = stand_in(&[("/", "200 OK", "<html>", "")]).await;
    let elsewhere = stand_in(&[("/", "302 Found", "", "location: /login\r\n")]).await;
    let tls = url.replace("http://", "https://");
    let cases = [
        (
            url.as_str(),
            "",
            "list",
            2,
            "asks for a token",
            "RUNNER_TOKEN",
        ),
        (
            &url,
            "wrong",
            "list",
            2,
            "RUNNER_TOKEN opens nothing",
            "runner token add",
        ),
        (
            &url,
            reader.trim(),
            "trigger told",
            2,
            "may not do it",
            "`run`",
        ),
        (&closed, &token, "list", 1, "can't be reached", "runner web"),
        (&tls, &token, "list", 1, "doesn't speak TLS", "http://"),
        (
            "ftp://x",
            &token,
            "list",
            2,
            "is no address of a server",
            "https://",
        ),
        (
            "nonsense",
            &token,
            "list",
            2,
            "is no address of a server",
            "https://",
        ),
        (
            &older,
            &token,
            "next",
            1,
            "it is runner 0.0.1",
            "same version",
        ),
        (&page, &token, "list", 1, "isn't JSON", "same version"),
        (
            &elsewhere,
            &token,
            "list",
            1,
            "leads elsewhere",
            "`--server`",
        ),
        (
            &url,
            &token,
            "check",
            2,
            "about this machine",
            "leave `--server` out",
        ),
        (&url, &token, "schedule", 2, "about this machine", ""),
        (
            &url,
            &token,
            "gc",
            2,
            "works only on the machine of the project",
            "run it there",
        ),
        (
            &url,
            &token,
            "db kept",
            2,
            "works only on the machine of the project",
            "",
        ),
        (
            &url,
            &token,
            "trigger told --dry-run",
            2,
            "doesn't work through a server",
            "",
        ),
        (
            &url,
            &token,
            "show a/b",
            2,
            "there is no run or DAG `a/b`",
            "",
        ),
        (&url, &token, "trigger a/b", 2, "can't be a name", "64"),
    ];
    for (server, token, line, expected, message, help) in cases {
        let mut command = command(server, token, line);
        if token.is_empty() {
            command.env_remove("RUNNER_TOKEN");
        }
        let said = said(command).await;
        let fits = said.code == expected && said.err.contains(message) && said.err.contains(help);
        assert!(fits && said.out.is_empty(), "{server} {line}: {said:?}");
    }
    // By the environment it is the same, and what is about this machine goes on here.
    for (line, there) in [("runs", true), ("types sql", false)] {
        let mut command = Command::new(runner());
        command.args(line.split(' ')).env("RUNNER_SERVER", &closed);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let said = said(command).await;
        assert_eq!(
            said.err.contains("can't be reached"),
            there,
            "{line}: {said:?}"
        );
    }
    served.end().await;
}

/// Something that answers by the path, and isn't runner of this version.
async fn stand_in(answers: &'static [(&str, &str, &str, &str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let mut found = answers.iter();
            let Some((_, status, body, more)) = found.find(|(start, ..)| path.starts_with(start))
            else {
                continue;
            };
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    url
}
