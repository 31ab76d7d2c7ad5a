// An API that verifies JWT access tokens by itself, and is told at once which of them have ended early.
import { ISSUER, serve } from './verified-api.js';

const { CLIENT_ID = '', CLIENT_SECRET = '' } = process.env;
const credentials = Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString('base64');

/** Which claim each event is about. */
const ABOUT = {
  token_revoked: 'jti',
  authorization_ended: 'grant_id',
  signed_out: 'sub',
  client_removed: 'client_id',
  key_revoked: 'kid',
};
/** What was told last of each, until it no longer matters. */
const told = new Map();

function hasEnded(claims, kid) {
  const about = (name, value) => told.get(`${name} ${value}`);
  // A token that was exchanged falls with what it was exchanged for.
  const all = (name) => [claims[name], ...(claims.rests_on?.[name] ?? [])];
  return (
    about('kid', kid) !== undefined ||
    all('jti').some((jti) => about('jti', jti) !== undefined) ||
    all('grant_id').some((id) => about('grant_id', id) !== undefined) ||
    all('client_id').some((id) => claims.iat < about('client_id', id)?.iat_before) ||
    (claims.auth_time ?? claims.iat) < about('sub', claims.sub)?.auth_time_before
  );
}

/** A stream that is alive shows it every 15 seconds. After that long without it, nobody knows what has ended. */
const SILENCE_MAX_MS = 40_000;
let lastEventId = '';
let heardAt = -Infinity;

function hear(block) {
  const field = (name) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1];
  const [event, id, data] = ['event', 'id', 'data'].map(field);
  if (ABOUT[event] !== undefined) {
    const says = JSON.parse(data);
    told.set(`${ABOUT[event]} ${says[ABOUT[event]]}`, says);
  }
  // What was told so far is from before the server went back to a backup.
  if (event === 'reset') told.clear();
  lastEventId = id ?? lastEventId;
  // From the first `ready` on nothing is missing; before it, old news still comes in.
  if (event === 'ready' || heardAt > 0) heardAt = performance.now();
}

async function listen() {
  const answer = await fetch(`${ISSUER}/revocations`, {
    headers: { authorization: `Basic ${credentials}`, ...(lastEventId && { 'last-event-id': lastEventId }) },
  });
  if (!answer.ok) throw new Error(`the stream answered ${answer.status}`);
  let pending = '';
  for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (pending + text).split('\n\n');
    pending = blocks.pop();
    for (const block of blocks) hear(block);
  }
}

async function listenForever() {
  for (;;) {
    await listen().catch((problem) => process.stderr.write(`${problem.message}\n`));
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function forgetWhatIsOver() {
  for (const [name, { until }] of told) if (until <= Date.now() / 1000) told.delete(name);
}

void listenForever();
setInterval(forgetWhatIsOver, 60_000);
serve((claims, { kid }) => {
  if (performance.now() - heardAt > SILENCE_MAX_MS) throw new Error('nobody knows what has ended');
  return !hasEnded(claims, kid);
});
