//! The console in a real browser, on a running host: what people do there, and how it looks and reads.

mod frames;
mod hands;
mod house;
mod looks;
mod own;
mod rules;
mod work;
