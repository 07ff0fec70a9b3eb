//! A way to Kafka on which the end of a transaction can get lost: it understands just enough of the protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// EndTxn, as Kafka numbers its requests.
const END_TRANSACTION: i16 = 26;

/// What gets lost from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Loses {
    Nothing = 0,
    /// Kafka never hears that the transaction ends.
    TheRequest = 1,
    /// Kafka ends the transaction, and nobody hears of it.
    TheAnswer = 2,
}

pub struct Proxy {
    pub address: String,
    loses: Arc<AtomicU8>,
    lost: Arc<AtomicU8>,
}

impl Proxy {
    /// Listens in front of a broker.
    pub async fn start(broker: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (loses, lost) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicU8::new(0)));
        let (losing, losses) = (Arc::clone(&loses), Arc::clone(&lost));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, broker.clone(), Arc::clone(&losing), Arc::clone(&losses)));
            }
        });
        Self { address, loses, lost }
    }

    pub fn lose(&self, what: Loses) {
        self.lost.store(0, Ordering::SeqCst);
        self.loses.store(what as u8, Ordering::SeqCst);
    }

    /// How many have got lost since it was last told what to lose.
    pub fn lost(&self) -> u8 {
        self.lost.load(Ordering::SeqCst)
    }
}

async fn connection(client: TcpStream, broker: String, loses: Arc<AtomicU8>, lost: Arc<AtomicU8>) {
    let Ok(broker) = TcpStream::connect(broker).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    // Answers come in the order of their requests: this many are passed on before one is kept.
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let requests = async {
        let _ = pass_requests(from_client, to_broker, &loses, &lost, sender).await;
    };
    let answers = async {
        let _ = pass_answers(from_broker, to_client, receiver).await;
    };
    // Either end that closes closes the other.
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

/// One message with its length.
async fn frame(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let length = from.read_i32().await?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.resize(4 + usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut frame[4..]).await?;
    Ok(frame)
}

async fn pass_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    loses: &AtomicU8,
    lost: &AtomicU8,
    expected: tokio::sync::mpsc::UnboundedSender<bool>,
) -> std::io::Result<()> {
    loop {
        let request = frame(&mut from).await?;
        let ends = i16::from_be_bytes([request[4], request[5]]) == END_TRANSACTION;
        let losing = if ends { loses.load(Ordering::SeqCst) } else { 0 };
        if losing != 0 {
            lost.fetch_add(1, Ordering::SeqCst);
        }
        if losing != Loses::TheRequest as u8 {
            let _ = expected.send(losing != Loses::TheAnswer as u8);
            to.write_all(&request).await?;
        }
    }
}

async fn pass_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut wanted: tokio::sync::mpsc::UnboundedReceiver<bool>,
) -> std::io::Result<()> {
    loop {
        let answer = frame(&mut from).await?;
        if wanted.recv().await.unwrap_or(true) {
            to.write_all(&answer).await?;
        }
    }
}
