// An identity provider that nobody here wrote (npm `oidc-provider`), with a person in front of it who does as the test says.
//
//     node provider.mjs LIBRARY PORT REDIRECT_URI
//
// POST /next {"account", "amr", "acr"} says who signs in next, and by what. Then GET the authorization URL.
import http from 'node:http';

const [library, port, redirect] = process.argv.slice(2);
const { default: Provider } = await import(library);
const issuer = `http://127.0.0.1:${port}`;
let next = {};

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'caveat',
    client_secret: 'a secret of this test and of nothing else',
    redirect_uris: [redirect],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  claims: { openid: ['sub', 'amr', 'acr', 'auth_time'], profile: ['preferred_username'] },
  acrValues: ['urn:example:two'],
  pkce: { required: () => true },
  // A subject is not the name: the provider may give the name to somebody else.
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id.split('/')[0] }),
  }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  features: { devInteractions: { enabled: false } },
  cookies: { keys: ['only for this test'] },
  ttl: { Session: 3600, Grant: 3600, Interaction: 600, AccessToken: 600, IdToken: 600 },
});

async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    const { account, amr, acr } = next;
    return provider.interactionFinished(request, response, { login: { accountId: account, amr, acr } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const grantId = await grant.save();
  return provider.interactionFinished(request, response, { consent: { grantId } }, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
http.createServer((request, response) => {
  if (request.url === '/next') {
    let body = '';
    request.on('data', (part) => { body += part; });
    request.on('end', () => { next = JSON.parse(body); response.end(); });
  } else if (request.url.startsWith('/interaction/')) {
    interact(request, response).catch((error) => { response.statusCode = 500; response.end(String(error)); });
  } else {
    answer(request, response);
  }
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
// The test that started this may be killed: nothing of it stays for long.
setTimeout(() => process.exit(0), 10 * 60 * 1000);
