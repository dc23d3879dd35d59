//! The tables of this room.

use caveat_state::{Across, Purpose};

/// Every step that the tables of this room went through; only added to.
pub(crate) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE access_person (
    client              TEXT   NOT NULL,
    id                  TEXT   NOT NULL,
    name                TEXT   NOT NULL,
    role                TEXT   NOT NULL,
    function            TEXT   NOT NULL,
    standing            TEXT   NOT NULL,
    password_hash       TEXT   NOT NULL,
    password_changed_ms BIGINT NOT NULL,
    totp_sealed         BYTEA  NOT NULL,
    totp_step           BIGINT NOT NULL, -- the last one used: none up to it is taken again
    failures            BIGINT NOT NULL,
    wait_until_ms       BIGINT NOT NULL, -- no attempt before it counts
    attempts            BIGINT NOT NULL, -- grows with every attempt: the compare-and-swap of `failures`
    created_ms          BIGINT NOT NULL,
    last_used_ms        BIGINT NOT NULL,
    PRIMARY KEY (client, id)
);
CREATE TABLE access_former_password (
    client        TEXT   NOT NULL,
    person        TEXT   NOT NULL,
    password_hash TEXT   NOT NULL,
    replaced_ms   BIGINT NOT NULL,
    PRIMARY KEY (client, person, password_hash)
);
CREATE TABLE access_session (
    token_hash  BYTEA  PRIMARY KEY,
    client      TEXT   NOT NULL,
    person      TEXT   NOT NULL,
    origin      TEXT   NOT NULL,
    began_ms    BIGINT NOT NULL,
    used_ms     BIGINT NOT NULL,
    password_ms BIGINT NOT NULL,
    totp_ms     BIGINT NOT NULL,
    unused_days BIGINT NOT NULL
);
CREATE INDEX access_session_person ON access_session (client, person);
CREATE INDEX access_session_began ON access_session (began_ms);
CREATE TABLE access_machine (
    id          TEXT   PRIMARY KEY,
    client      TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    scopes      TEXT   NOT NULL, -- words, one space between
    secret_hash BYTEA  NOT NULL,
    created_ms  BIGINT NOT NULL,
    expires_ms  BIGINT NOT NULL,
    revoked_ms  BIGINT NOT NULL, -- 0: not revoked
    used_ms     BIGINT NOT NULL  -- to the hour; 0: never
);
CREATE INDEX access_machine_client ON access_machine (client);
",
    "
ALTER TABLE access_session ADD COLUMN passkey_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE access_session ADD COLUMN federated_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE access_session ADD COLUMN second_ms BIGINT NOT NULL DEFAULT 0; -- when a second factor was shown last
UPDATE access_session SET second_ms = totp_ms;
CREATE TABLE access_enrolment (
    token_hash  BYTEA  PRIMARY KEY,
    client      TEXT   NOT NULL,
    person      TEXT   NOT NULL,
    totp_sealed BYTEA  NOT NULL, -- shown, and not confirmed yet; empty: not shown
    failures    BIGINT NOT NULL,
    expires_ms  BIGINT NOT NULL
);
CREATE UNIQUE INDEX access_enrolment_person ON access_enrolment (client, person);
CREATE TABLE access_recovery_code (
    client    TEXT  NOT NULL,
    person    TEXT  NOT NULL,
    code_hash BYTEA NOT NULL,
    PRIMARY KEY (client, person, code_hash)
);
CREATE TABLE access_passkey (
    id         TEXT   PRIMARY KEY, -- of the credential, base64url
    client     TEXT   NOT NULL,
    person     TEXT   NOT NULL,
    handle     TEXT   NOT NULL, -- what the authenticator knows the person by: random, one a person
    name       TEXT   NOT NULL,
    credential TEXT   NOT NULL, -- public key and counter, as the library writes them
    created_ms BIGINT NOT NULL,
    used_ms    BIGINT NOT NULL  -- 0: never
);
CREATE INDEX access_passkey_person ON access_passkey (client, person);
CREATE TABLE access_ceremony (
    key_hash   BYTEA  PRIMARY KEY,
    kind       TEXT   NOT NULL,
    client     TEXT   NOT NULL,
    person     TEXT   NOT NULL, -- empty until an identity provider says who
    state      BYTEA  NOT NULL, -- sealed
    expires_ms BIGINT NOT NULL
);
CREATE INDEX access_ceremony_expires ON access_ceremony (expires_ms);
CREATE TABLE access_subject (
    client  TEXT NOT NULL,
    issuer  TEXT NOT NULL,
    person  TEXT NOT NULL,
    subject TEXT NOT NULL, -- who the person was to the provider when they first came: nobody else comes in their name
    PRIMARY KEY (client, issuer, person)
);
",
];

/// Tables that are looked into before it is known whose rows are meant, and those that lapse.
pub(crate) const ACROSS: &[Across] = &[
    (Purpose::SignIn, "access_person"),
    (Purpose::SignIn, "access_session"),
    (Purpose::SignIn, "access_machine"),
    (Purpose::SignIn, "access_enrolment"),
    (Purpose::SignIn, "access_ceremony"),
    (Purpose::Expiry, "access_session"),
    (Purpose::Expiry, "access_ceremony"),
    (Purpose::Count, "access_session"),
    (Purpose::Count, "access_ceremony"),
];
