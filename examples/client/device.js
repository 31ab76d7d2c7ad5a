// A program where there is no browser, such as on a television or over SSH: the device authorization grant (RFC 8628).
import * as oauth from 'openid-client';

const { ISSUER = 'http://localhost:3000', CLIENT_ID = '' } = process.env;

const keyturn = await oauth.discovery(new URL(ISSUER), CLIENT_ID, undefined, oauth.None(), {
  execute: ISSUER.startsWith('http:') ? [oauth.allowInsecureRequests] : [],
});

const asked = await oauth.initiateDeviceAuthorization(keyturn, { scope: 'openid profile' });
process.stdout.write(`Open ${asked.verification_uri} and enter ${asked.user_code}\n`);

// It waits between two polls as long as the server says, and longer when it is told to slow down.
const tokens = await oauth.pollDeviceAuthorizationGrant(keyturn, asked);
const person = await oauth.fetchUserInfo(keyturn, tokens.access_token, tokens.claims().sub);
process.stdout.write(`Signed in as ${person.preferred_username}\n`);
