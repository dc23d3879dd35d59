//! What the demonstration and the tests of the whole path share: a real host process, real callers over the wire, real
//! speech, people who sign in.

pub mod acts;
pub mod audiohook;
pub mod authenticator;
pub mod authority;
pub mod browser;
pub mod chromium;
pub mod clock;
pub mod cluster;
pub mod demo;
pub mod figures;
pub mod guest;
pub mod host;
pub mod house;
pub mod kills;
pub mod load;
pub mod many;
pub mod people;
pub mod phone;
pub mod pooler;
pub mod postgres;
pub mod provider;
pub mod proxy;
pub mod receiver;
pub mod registry;
pub mod rtpengine;
pub mod sip;
pub mod siprec;
pub mod speech;
pub mod through;
pub mod twilio;
pub mod upload;
pub mod watch;
