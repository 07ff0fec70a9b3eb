//! The examples of docs/collect.md, run as they stand there but for the ports.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use crate::support::{Collector, Scene, in_time};

const DOCUMENT: &str = include_str!("../../../docs/collect.md");
const HTTP: &str = "127.0.0.1:56080";
const GRPC: &str = "127.0.0.1:56051";

/// The example with a language and a word in it, for this collector.
fn example(language: &str, word: &str, collector: &Collector) -> String {
    let fence = format!("```{language}\n");
    let found =
        DOCUMENT.split(&fence).skip(1).filter_map(|rest| rest.split_once("\n```")).map(|(code, _)| code);
    let code = found.into_iter().find(|code| code.contains(word)).expect("the document has the example");
    assert!(code.contains(HTTP) || code.contains(GRPC), "it names the port that `collect` has by default");
    code.replace(HTTP, &collector.http.to_string()).replace(GRPC, &collector.grpc.to_string())
}

async fn run(program: &str, option: &str, code: &str, key: &str, path: &str) -> Output {
    let mut command = Command::new(program);
    command.args([option, code]).env("KEY", key).env("PATH", path).kill_on_drop(true);
    let output = in_time(command.output()).await.unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn path() -> String {
    std::env::var("PATH").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_and_python() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    for (program, option, language, word) in
        [("bash", "-c", "sh", "curl "), ("python3", "-c", "python", "gzip")]
    {
        let code = example(language, word, &collector);
        let output = run(program, option, &code, &scene.key.key, &path()).await;
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["accepted"], 1, "{word}: {answer}");
    }
    assert_eq!(scene.ledger().await, [2, 2, 0, 0]);
    collector.stop().await.unwrap();
}

/// Where `grpcurl` is: on the path, or where `GOBIN=$PWD/.tools/bin go install …` puts it.
fn folder_of_grpcurl() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/bin");
    std::env::split_paths(&path()).chain([tools]).find(|folder| folder.join("grpcurl").is_file())
}

/// What grpcurl does, reflection and the call, is tested without it in `described` and `verdicts`.
#[tokio::test(flavor = "multi_thread")]
async fn grpcurl() {
    let Some(folder) = folder_of_grpcurl() else {
        let how = "GOBIN=$PWD/.tools/bin go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3";
        // Past the capture of the test harness: a test that did not run must be seen.
        let skipped = format!(
            "\nSKIPPED: the grpcurl example of docs/collect.md, since grpcurl is not installed. {how}\n"
        );
        std::io::Write::write_all(&mut std::io::stderr(), skipped.as_bytes()).unwrap();
        return;
    };
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let code = example("sh", "grpcurl ", &collector);
    let output = run("bash", "-c", &code, &scene.key.key, &format!("{}:{}", path(), folder.display())).await;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["verdicts"][0]["outcome"], "OUTCOME_ACCEPTED", "{answer}");
    assert_eq!(scene.ledger().await, [1, 1, 0, 0]);
    collector.stop().await.unwrap();
}
