//! The demonstration is a test too: every step of it has to come out right.
#![allow(clippy::unwrap_used, reason = "tests")]

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_demonstration_comes_out_right() {
    assert!(caveat_tests::demo::run(true).await.unwrap());
}
