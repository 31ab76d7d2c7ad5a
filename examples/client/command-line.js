// A program on somebody's own machine: a public client with a loopback redirect (RFC 8252 section 7.3).
import { once } from 'node:events';
import { createServer } from 'node:http';
import * as oauth from 'openid-client';

const { ISSUER = 'http://localhost:3000', CLIENT_ID = '' } = process.env;

const keyturn = await oauth.discovery(new URL(ISSUER), CLIENT_ID, undefined, oauth.None(), {
  execute: ISSUER.startsWith('http:') ? [oauth.allowInsecureRequests] : [],
});

// Any free port: of a loopback redirect URI the port may differ from the registered one.
const server = createServer().listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://127.0.0.1:${server.address().port}`;

const checks = { pkceCodeVerifier: oauth.randomPKCECodeVerifier(), expectedState: oauth.randomState() };
const address = oauth.buildAuthorizationUrl(keyturn, {
  redirect_uri: `${origin}/callback`,
  scope: 'openid profile',
  code_challenge: await oauth.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: checks.expectedState,
});
process.stdout.write(`Open ${address}\n`);

const [request, response] = await once(server, 'request');
response.end('Done. You may close this window.\n', () => server.close());

const tokens = await oauth.authorizationCodeGrant(keyturn, new URL(request.url, origin), checks);
const person = await oauth.fetchUserInfo(keyturn, tokens.access_token, tokens.claims().sub);
process.stdout.write(`Signed in as ${person.preferred_username}\n`);
