// A service that calls an API in its own name: the client credentials grant (RFC 6749 section 4.4).
import * as oauth from 'openid-client';

const { ISSUER = 'http://localhost:3000', CLIENT_ID = '', CLIENT_SECRET = '' } = process.env;
const { API_URL = 'http://127.0.0.1:5000/', RESOURCE = 'https://api.example.com' } = process.env;

const keyturn = await oauth.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  undefined,
  oauth.ClientSecretBasic(CLIENT_SECRET),
  {
    execute: ISSUER.startsWith('http:') ? [oauth.allowInsecureRequests] : [],
  },
);

let tokens;

/** Asks for a token when there is none that is good for half a minute. There is nothing to refresh. */
async function accessToken() {
  if (tokens === undefined || (tokens.expiresIn() ?? 0) < 30) {
    tokens = await oauth.clientCredentialsGrant(keyturn, { resource: RESOURCE, scope: 'read' });
  }
  return tokens.access_token;
}

const answer = await fetch(API_URL, { headers: { authorization: `Bearer ${await accessToken()}` } });
process.stdout.write(`${answer.status} ${await answer.text()}\n`);
