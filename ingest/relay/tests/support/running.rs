//! A relay inside the test's process.

use relay::{RelayConfig, RelayError, RelayProgress, RelayState};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{DEADLINE, Scene};

pub struct Running {
    cancel: CancellationToken,
    pub progress: watch::Receiver<RelayProgress>,
    task: JoinHandle<Result<(), RelayError>>,
}

impl Running {
    pub fn start(config: &RelayConfig) -> Self {
        let cancel = CancellationToken::new();
        let (sender, progress) = watch::channel(RelayProgress::default());
        let task = tokio::spawn(relay::run(config.clone(), cancel.clone(), sender));
        Self { cancel, progress, task }
    }

    /// Waits until the progress is as wanted.
    pub async fn until(&mut self, what: &str, wanted: impl FnMut(&RelayProgress) -> bool) -> RelayProgress {
        let reached = tokio::time::timeout(DEADLINE, self.progress.wait_for(wanted)).await;
        let reached = reached.map(|result| result.map(|progress| progress.clone()));
        match reached {
            Ok(Ok(progress)) => progress,
            Ok(Err(_)) => panic!("the relay ended before {what}: {:?}", (&mut self.task).await),
            Err(_) => panic!("not {what} in time: {:?}", self.progress.borrow()),
        }
    }

    pub async fn until_streaming(&mut self) {
        self.until("streaming", |progress| progress.state == RelayState::Streaming).await;
    }

    pub async fn until_events(&mut self, count: u64) -> RelayProgress {
        self.until("all events out", |progress| progress.events_out >= count).await
    }

    /// Ends it and expects that it ended well.
    pub async fn stop(self) {
        self.cancel.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap().unwrap();
    }

    /// Expects that it stops by itself.
    pub async fn refusal(self) -> RelayError {
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap().unwrap_err()
    }
}

impl Scene {
    pub fn start(&self) -> Running {
        Running::start(&self.config)
    }
}
