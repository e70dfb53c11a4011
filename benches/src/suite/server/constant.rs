//! The physical limit: the same stack, answering a constant.

use anyhow::Result;
use axum::Router;
use axum::http::header;
use axum::routing::post;

/// As long as the answer of GenerateDataKey.
const ANSWER: &str = concat!(
    r#"{"CiphertextBlob":""#,
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    r#"","Plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","#,
    r#""KeyId":"arn:aws:kms:us-east-1:000000000000:key/00000000-0000-4000-8000-000000000000"}"#,
);

/// Serves until it is killed; says where, as `keyfold serve` does.
pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        let kind = (header::CONTENT_TYPE, "application/x-amz-json-1.1");
        // The body is read, as it must be to be answered.
        let answer = move |_: axum::body::Bytes| async move { ([kind], ANSWER) };
        axum::serve(listener, Router::new().route("/", post(answer))).await?;
        Ok(())
    })
}
