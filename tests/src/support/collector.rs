//! A collector of a test's own, and a client that speaks plain HTTP with it.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Line, Process, until_says};

/// A collector that listens.
pub struct Collector {
    pub process: Process,
    address: String,
}

impl Collector {
    /// Starts one on free ports, with a file of keys and more options, and returns once it listens.
    pub async fn start(line: &Line, keys: &str, options: &str) -> Self {
        let words = format!("collect --http 127.0.0.1:0 --grpc 127.0.0.1:0 --keys {keys} {options}");
        let mut process = line.start(words.trim_end());
        until_says(&mut process, "collecting on http://").await;
        let output = process.output().unwrap_or_else(|ended| panic!("{ended}"));
        let address = output.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next());
        Self { address: address.unwrap().to_owned(), process }
    }

    /// Posts JSON; the status of the answer, and what it says.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], told: &Value) -> (u16, String) {
        let body = told.to_string();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{headers}Connection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, said) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("{answer}")), said.to_owned())
    }
}
