// Other ways of signing in than password and code: passkeys, an identity provider, an invitation.

import { resume, step } from "./session.js";

/** The host's challenge, answered by a passkey that has verified its owner. `at`: the routes of this ceremony. */
async function answered(at, named) {
  const { ceremony, options } = await step(`${at}/start`, named);
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey);
  const credential = await navigator.credentials.get({ publicKey });
  return step(at, { ceremony, credential: credential.toJSON() });
}

export async function passkeySignIn(named) {
  await answered("/v1/session/passkey", named);
  return resume();
}

export const passkeyStepUp = () => answered("/v1/session/step-up/passkey");

/** A new passkey for whoever is signed in. */
export async function addPasskey(name) {
  const { ceremony, options } = await step("/v1/me/passkeys/start", { name });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey);
  const credential = await navigator.credentials.create({ publicKey });
  return step("/v1/me/passkeys", { ceremony, credential: credential.toJSON() });
}

/** To an identity provider of the client, and back here. */
export function providerSignIn(provider, client) {
  location.assign(`/v1/session/oidc/${encodeURIComponent(provider)}/start?client=${encodeURIComponent(client)}`);
  return new Promise(() => {});
}

/** The second factor, where the provider saw one only. */
export async function secondFactor(code) {
  await step("/v1/session/oidc/second-factor", { code });
  return resume();
}

/** Who an invitation is for, and the secret for their authenticator. */
export const invited = (invitation) => step("/v1/enrolment", { invitation });

/** Answers it; gives the recovery codes. */
export const enroll = async (invitation, password, code) => (await step("/v1/enrolment/confirm", { invitation, password, code })).recovery_codes;
