//! How a connection that speaks TLS ends.

use tokio::io::AsyncWriteExt;

use crate::papers::Papers;
use crate::port::{BYE, GOODBYE, Port, echoes, rest};

#[tokio::test]
async fn the_last_frame_arrives_and_after_it_the_end_that_tls_wants() {
    let papers = Papers::new();
    let port = Port::start(&papers.certificate("a", &["localhost"]).config()).await;
    let mut stream = port.tls(&papers, "localhost").await.unwrap();
    echoes(&mut stream, b"hello").await;
    stream.write_all(BYE).await.unwrap();
    // An end without close_notify would be an error.
    assert_eq!(rest(&mut stream).await.unwrap(), GOODBYE);
}

#[tokio::test]
async fn who_says_that_nothing_more_comes_is_told_the_same() {
    let papers = Papers::new();
    let port = Port::start(&papers.certificate("a", &["localhost"]).config()).await;
    let mut stream = port.tls(&papers, "localhost").await.unwrap();
    echoes(&mut stream, b"hello").await;
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await.unwrap(), b"");
}
