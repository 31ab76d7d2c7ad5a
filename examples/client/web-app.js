// A web application that signs people in, calls an API for them and signs them out.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import * as oauth from 'openid-client';

const { ISSUER = 'http://localhost:3000', CLIENT_ID = '', CLIENT_SECRET = '', PORT = '4000' } = process.env;
const { API_URL = 'http://127.0.0.1:5000/', RESOURCE = 'https://api.example.com' } = process.env;
const home = `http://127.0.0.1:${PORT}/`;

// Reads the metadata. Plain http is for a server on your own machine only.
const keyturn = await oauth.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  undefined,
  oauth.ClientSecretBasic(CLIENT_SECRET),
  {
    execute: ISSUER.startsWith('http:') ? [oauth.allowInsecureRequests] : [],
  },
);

/** Sends the browser to Keyturn, and remembers what its answer must fit. */
async function signIn(session) {
  session.checks = {
    pkceCodeVerifier: oauth.randomPKCECodeVerifier(),
    expectedState: oauth.randomState(),
    expectedNonce: oauth.randomNonce(),
  };
  return oauth.buildAuthorizationUrl(keyturn, {
    redirect_uri: `${home}callback`,
    scope: 'openid profile read',
    resource: RESOURCE,
    code_challenge: await oauth.calculatePKCECodeChallenge(session.checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: session.checks.expectedState,
    nonce: session.checks.expectedNonce,
  });
}

/** Redeems the code. The library checks state, issuer, nonce and the ID token. */
async function callback(session, url) {
  session.tokens = await oauth.authorizationCodeGrant(keyturn, url, session.checks);
  session.person = session.tokens.claims();
  return home;
}

/** An access token that is good for half a minute at least. Each refresh brings a new refresh token: keep that one. */
async function accessToken(session) {
  if ((session.tokens.expiresIn() ?? 0) < 30) {
    session.tokens = await oauth.refreshTokenGrant(keyturn, session.tokens.refresh_token);
  }
  return session.tokens.access_token;
}

async function callApi(session) {
  const authorization = `Bearer ${await accessToken(session)}`;
  return (await fetch(API_URL, { headers: { authorization } })).text();
}

/** Ends the tokens, then the session at Keyturn, which sends the browser back here. */
async function signOut(session) {
  const { refresh_token, id_token } = session.tokens;
  await oauth.tokenRevocation(keyturn, refresh_token);
  session.tokens = undefined;
  return oauth.buildEndSessionUrl(keyturn, { id_token_hint: id_token, post_logout_redirect_uri: home });
}

const routes = {
  '/': (session) => (session.tokens ? `Hello ${session.person.preferred_username}` : 'Sign in at /sign-in'),
  '/sign-in': signIn,
  '/callback': callback,
  '/api': callApi,
  '/sign-out': signOut,
};

/** In earnest, use the sessions of your framework. */
const sessions = new Map();

createServer(async (request, response) => {
  const url = new URL(request.url, home);
  const id = /session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? randomUUID();
  if (!sessions.has(id)) sessions.set(id, {});
  response.setHeader('Set-Cookie', `session=${id}; HttpOnly; SameSite=Lax; Path=/`);
  try {
    const answer = await routes[url.pathname]?.(sessions.get(id), url);
    const target = answer instanceof URL || answer === home ? { Location: String(answer) } : {};
    response.writeHead(answer === undefined ? 404 : target.Location ? 303 : 200, target).end(String(answer));
  } catch (problem) {
    // `error` is the code of the RFC: access_denied if the person declined, invalid_grant if they must sign in again.
    response.writeHead(502).end(`${problem.error ?? problem.message}\n`);
  }
}).listen(Number(PORT), '127.0.0.1', () => process.stdout.write(`Open ${home}\n`));
