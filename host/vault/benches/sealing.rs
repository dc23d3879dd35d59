//! Sealing a second of mu-law, with its key, commitment and Merkle leaf, beside the cipher alone; one thread.
//! `cargo bench -p caveat-vault --bench sealing`

use caveat_vault::bench::Sealing;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use divan::{Bencher, counter::BytesCount};

/// A second of mu-law, a second of 16-bit samples.
const SIZES: [usize; 2] = [8_004, 16_004];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn cipher_alone(bencher: Bencher, len: usize) {
    let (cipher, nonce) = (ChaCha20Poly1305::new(&Default::default()), Default::default());
    let mut buffer = vec![7; len];
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| cipher.encrypt_inout_detached(&nonce, b"", buffer.as_mut_slice().into()));
}

#[divan::bench(args = SIZES)]
fn sealed_second(bencher: Bencher, len: usize) {
    let Ok(client) = "acme".parse() else { return };
    let (mut sealing, plain) = (Sealing::new(&client), vec![7; len]);
    bencher.counter(BytesCount::new(len)).bench_local(|| sealing.seal(&plain));
}
